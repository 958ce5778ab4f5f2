"""What one run is made of: checked, complete, and plain enough to be written down."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from slimrnn.errors import InputError
from slimrnn.experiments.run import keras_names
from slimrnn.utils.checks import check, known, number, numbers, whole
from slimrnn.variants import Variant, get, serialize
from slimrnn.variants.time_scales import TimeScales

#: Settings in place of the defaults below with which the LSTM learns a data set in a
#: short time: places to start from, found by a few trials and validation accuracy.
RECIPES: dict[str, dict[str, Any]] = {
    "digits": {"epochs": 30, "learning_rate": 0.005},
    "mnist": {"units": 50, "batch_size": 64, "epochs": 10, "learning_rate": 0.002},
    "mnist_pixels": {"units": 100, "batch_size": 64, "epochs": 10},
    "fashion_mnist": {"units": 50, "batch_size": 64, "epochs": 10},
    "fashion_mnist_pixels": {"units": 100, "batch_size": 64, "epochs": 10},
    "imdb": {"batch_size": 64, "epochs": 5},
    "reuters": {"batch_size": 64, "epochs": 10},
    "newsgroups": {"batch_size": 64, "epochs": 10},
    "spoken_digits": {},
    "japanese_vowels": {"batch_size": 16, "epochs": 30, "learning_rate": 0.005},
}
DEFAULT_DATASET = "digits"
MOST_SEED = 2**31 - 1  # that every backend's generators take

TABLES = ("gate_constants", "optimizer_options")  # settings that are numbers by name

#: Settings that are one of a few words, and what each word means.
CHOICES: dict[str, dict[str, str]] = {
    "init": {
        "slim": "every matrix and vector by itself, so that all variants start alike",
        "packed": "as the original: one initialiser over each packed weight, forget "
        "biases 0 (the original's LSTMs only)",
    },
    "embedding_init": {
        "normal": "normal with standard deviation 1",
        "uniform": "uniform in +-0.05, as Keras and the original do",
    },
    "padding": {
        "behind": "unequal lengths are padded behind and masked",
        "front": "all are padded in front to the longest, unmasked, as the original "
        "did",
    },
    "head": {
        "softmax": "a unit a class",
        "sigmoid": "one unit for two classes, with binary cross-entropy",
    },
    "schedule": {
        "constant": "the learning rate stays as it is",
        "exp_loss": "after each epoch it becomes learning_rate * exp(training loss), "
        "as in arXiv 1612.03707",
    },
    "keep": {
        "last": "the weights of the last epoch",
        "best": "those of the epoch with the best validation score",
    },
}


KEY = re.compile(r"[A-Za-z0-9_.-]*-[0-9a-f]{12}")  # as `Settings.key` gives it


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All that one run depends on, but the machine and the versions.

    Args:
        variant: a row of the table, by name or as a Variant.
        dataset: a name that `slimrnn.data` knows; None where `data` is given.
        data: the user's own .npz file instead.
        data_dir: a folder of .npz files, where the name is looked up first.
        words: how many words are kept of texts; None: the data set's default.
        length: how many last steps are kept; None: likewise.
        units: of the recurrent layer.
        gate_constants: other values for constant gates, such as ``{"f": 0.59}``.
        time_scale: how long units remember at the start: ``"auto"`` (up to the length
            of the sequences), ``"none"``, a number of steps, or a pair of them.
        activation: of the candidate and the state.
        recurrent_activation: of the gates.
        init: how weights start; one of ``CHOICES``, as are the next words in quotes.
        recurrent_initializer: Keras's name, of the recurrent matrices.
        dropout: fraction of the layer's inputs dropped in training, in [0, 1).
        recurrent_dropout: likewise of its recurrent state.
        embedding: numbers a token is turned into.
        trainable_embedding: whether those are learned.
        embedding_init: how they start: ``"normal"`` or ``"uniform"``.
        padding: of unequal lengths: ``"behind"`` or in ``"front"``.
        head: of a classification: ``"softmax"`` or ``"sigmoid"``.
        optimizer: a name that Keras knows.
        optimizer_options: its further arguments, such as ``{"epsilon": 1e-8}``.
        learning_rate: above 0.
        schedule: of the learning rate: ``"constant"`` or ``"exp_loss"``.
        batch_size: sequences in a batch.
        epochs: passes over the training data.
        patience: end after so many epochs without a better validation score; None:
            never.
        keep: which epoch's weights are the result: the ``"last"`` or the ``"best"``.
        seed: of the weights, the split, the order of batches and dropout.
        validation: fraction of the training data that is kept for validation.
        validate_on_test: validate on the test data instead, as the originals did.

    Raises:
        InputError: a value that is not allowed.

    Example:
        >>> Settings.of("lstm6", dataset="digits", epochs=3).learning_rate
        0.005
    """

    variant: str | Variant
    dataset: str | None = DEFAULT_DATASET
    data: str | None = None
    data_dir: str | None = None
    words: int | None = None
    length: int | None = None
    units: int = 64
    gate_constants: Mapping[str, float] | None = None
    time_scale: Any = "none"
    activation: str = "tanh"
    recurrent_activation: str = "sigmoid"
    init: str = "slim"
    recurrent_initializer: str = "orthogonal"
    dropout: float = 0.0
    recurrent_dropout: float = 0.0
    embedding: int = 32
    trainable_embedding: bool = False
    embedding_init: str = "normal"
    padding: str = "behind"
    head: str = "softmax"
    optimizer: str = "adam"
    optimizer_options: Mapping[str, float] | None = None
    learning_rate: float = 0.001
    schedule: str = "constant"
    batch_size: int = 32
    epochs: int = 20
    patience: int | None = None
    keep: str = "last"
    seed: int = 1
    validation: float = 0.1
    validate_on_test: bool = False

    def __post_init__(self):
        object.__setattr__(self, "variant", get(self.variant))
        for name in ("dataset", "data", "data_dir"):
            value = getattr(self, name)
            check(name, value, value is None or isinstance(value, str), "a text")
        for name in ("words", "length"):
            if getattr(self, name) is not None:
                whole(name, getattr(self, name), least=1)
        if (self.dataset is None) == (self.data is None):
            raise InputError(
                f"Received the data set {self.dataset!r} together with the file "
                f"{self.data!r}; give exactly one: --dataset NAME or --data FILE."
            )
        for name in ("units", "embedding", "batch_size", "epochs"):
            whole(name, getattr(self, name), least=1)
        if self.patience is not None:
            whole("patience", self.patience, least=1)
        whole("seed", self.seed, least=0, most=MOST_SEED)
        for name in ("learning_rate", "dropout", "recurrent_dropout", "validation"):
            fits, allowed = _RANGES[name]
            value = getattr(self, name)
            check(name, value, number(value) and fits(value), allowed)
        for name in TABLES:
            numbers(name, getattr(self, name))
        for name in ("trainable_embedding", "validate_on_test"):
            value = getattr(self, name)
            check(name, value, isinstance(value, bool), "true or false")
        time_scales(self.time_scale)
        for name, words in CHOICES.items():
            known(name, getattr(self, name), words)
        self._check_names()

    @classmethod
    def of(
        cls,
        variant: str | Variant,
        *,
        dataset: str | None = None,
        data: str | None = None,
        **given: Any,
    ) -> Settings:
        """Settings in which what is not given (or None) is the data set's default."""
        if dataset is None and data is None:
            dataset = DEFAULT_DATASET
        given = {name: value for name, value in given.items() if value is not None}
        recipe = RECIPES.get(dataset, {}) if isinstance(dataset, str) else {}
        return cls(variant=variant, dataset=dataset, data=data, **{**recipe, **given})

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Settings:
        """The settings that :meth:`config` described: those of a run to repeat."""
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(config) - known)
        if unknown or "variant" not in config:
            raise InputError(
                f"Not the settings of a run: {', '.join(unknown) or 'no variant'}; "
                f"expected {', '.join(sorted(known))}."
            )
        return cls(**config)

    def config(self) -> dict[str, Any]:
        """All settings as JSON can hold them."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {**values, "variant": serialize(get(self.variant))}

    def key(self) -> str:
        """A name for the settings: the same on every machine, another for others.

        The folder of the data is a machine's own matter and does not count.

        Example:
            >>> Settings.of("LSTM6").key() == Settings.of("lstm6", data_dir="a").key()
            True
        """
        content = {**self.config(), "data_dir": None}
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        digest = hashlib.sha256(text.encode()).hexdigest()
        return f"{re.sub(r'[^A-Za-z0-9_.-]', '_', self.name)}-{digest[:12]}"

    def command(self) -> str | None:
        """The command line that repeats the run; None for a variant of one's own.

        Example:
            >>> Settings.of("LSTM6", units=8, gate_constants={"f": 0.5}).command()
            'slimrnn train LSTM6 --dataset digits --units 8 --gate-constants f=0.5'
        """
        if not isinstance(serialize(get(self.variant)), str):
            return None
        usual = Settings.of(self.variant, dataset=self.dataset, data=self.data)
        words = ["slimrnn", "train", self.name]
        for field in fields(self)[1:]:
            value = getattr(self, field.name)
            if value != getattr(usual, field.name) or field.name == "dataset":
                words += _flag(field.name, value)
        return shlex.join(words)

    @property
    def name(self) -> str:
        """The variant's name."""
        return get(self.variant).name

    @property
    def data_name(self) -> str:
        """What the data are called: the data set's name, or the file's."""
        return self.dataset or Path(str(self.data)).stem

    @property
    def validated_on(self) -> str:
        """What the validation figures stand for."""
        if self.validate_on_test:
            return "test data"
        return f"{self.validation:.3g} of the training data"

    def _check_names(self) -> None:
        # Only here is Keras needed; the checks before it, and --help, are quick.
        known("optimizer", self.optimizer, keras_names.optimizers())
        activations = keras_names.activations()
        known("activation", self.activation, activations)
        known("recurrent activation", self.recurrent_activation, activations)
        initializers = keras_names.initializers()
        known("recurrent initializer", self.recurrent_initializer, initializers)


def time_scales(given: Any, length: int | None = None) -> TimeScales | None:
    """What the setting of that name means for sequences of this length."""
    return TimeScales.of(None if given == "none" else given, length)


def _flag(name: str, value: Any) -> list[str]:
    """A setting as the command line takes it."""
    if value is None:
        return []
    flag = f"--{name.replace('_', '-')}"
    if isinstance(value, bool):
        return [flag]
    if isinstance(value, Mapping):
        return [flag, *(f"{key}={item!r}" for key, item in value.items())]
    return [flag, str(value)]


_RANGES = {
    "learning_rate": (lambda x: x > 0, "a number above 0"),
    "dropout": (lambda x: 0 <= x < 1, "a number from 0 to below 1"),
    "recurrent_dropout": (lambda x: 0 <= x < 1, "a number from 0 to below 1"),
    "validation": (lambda x: 0 < x <= 0.5, "a fraction above 0 and at most 0.5"),
}
