"""What a network learns from, and what it is tested on."""

from dataclasses import dataclass

from slimrnn.data.sequences import Part, Sequences


@dataclass(frozen=True, eq=False)
class Dataset:
    """What a network learns from, and what it is tested on.

    Args:
        name: of the dataset, or of the user's file.
        train: N_train samples.
        test: N_test samples.
        classes: number of classes; None for regression.
        vocabulary: number of token ids, 0 (padding) included; None for frames.
        reason: why y is taken for classes or numbers, of a user's own data.
        names: of the columns that a frame is made of, where they have names.
        labels: what the classes are called, where they are more than numbers.
        notes: what a user should know, in sentences.
    """

    name: str
    train: Part
    test: Part
    classes: int | None = None
    vocabulary: int | None = None
    reason: str = ""
    names: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return what it is, in a line."""
        each = f"{self.features} feature{'s' * (self.features != 1)} a step"
        if self.tokens:
            each = f"{self.vocabulary:,} words"
        what = f"{self.classes} classes" if self.classes else "a regression"
        what += " at each step" * self.each_step
        if self.reason:
            what += f" ({self.reason})"
        return (
            f"{self.name}: {len(self.train):,} training and {len(self.test):,} test "
            f"sequences, {each}, {what}"
        )

    __repr__ = __str__

    @property
    def task(self) -> str:
        """`"classification"` or `"regression"`."""
        return "regression" if self.classes is None else "classification"

    @property
    def metric(self) -> str:
        """By what models are compared: `"accuracy"`, or the mean absolute error."""
        return "mae" if self.classes is None else "accuracy"

    @property
    def tokens(self) -> bool:
        """Whether the sequences are token ids, for an Embedding."""
        return self.train.x.tokens

    @property
    def features(self) -> int | None:
        """The size m of a frame; None for tokens."""
        return self.train.x.features

    @property
    def outputs(self) -> int:
        """How many numbers a network gives: one a class, or one a target."""
        return self.classes or self.train.targets.shape[1]

    @property
    def each_step(self) -> bool:
        """Whether each step has a target, rather than each sequence."""
        return isinstance(self.train.y, Sequences)

    @property
    def ragged(self) -> bool:
        """Whether sequences have unequal lengths, in a part or between the two."""
        both = (self.train.x, self.test.x)
        steps = {None if x.is_ragged else x.values.shape[1] for x in both}
        return None in steps or len(steps) > 1

    @property
    def masked(self) -> bool:
        """Whether a model must skip the steps that pad.

        After a sequence they change no answer of a step before them.
        """
        return self.ragged and not self.each_step

    @property
    def mask_value(self) -> float | None:
        """What `keras.layers.Masking` takes for ragged frames; None elsewhere.

        Tokens are masked by `Embedding(mask_zero=True)` instead.
        """
        return self.train.x.padding if self.masked and not self.tokens else None

    def split(self, fraction: float = 0.1, seed: int = 0) -> tuple[Part, Part]:
        """Split the training part into (train, validation) by a seeded draw.

        Every class gives its share, and one with a single sample keeps it for
        training; windows are split by group or by time, as the test was. `test` is
        not touched.

        Args:
            fraction: of the samples for validation, above 0 and at most 0.5.
            seed: of the draw.

        Raises:
            InputError: another fraction or seed, or a single sample to split.

        >>> from slimrnn.data import load
        >>> train, validation = load("digits").split(0.1, seed=1)
        >>> len(train), len(validation)
        (1294, 143)
        """
        from slimrnn.data.division import held_out  # which knows parts

        found = held_out(self.train, self.classes, fraction, seed)
        return self.train.take(found == 0), self.train.take(found == 1)
