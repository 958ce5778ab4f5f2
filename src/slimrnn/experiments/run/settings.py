"""What one run is made of: checked, complete, and plain enough to be written down."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any

from slimrnn.data.options import DEFAULT_DATASET, DataOptions, is_sound
from slimrnn.data.table import DATASETS
from slimrnn.errors import InputError
from slimrnn.experiments.run import keras_names
from slimrnn.utils.checks import check, numbers
from slimrnn.utils.settings import (
    ABOVE_0,
    BELOW_1,
    COUNT,
    COUNT_OR_NONE,
    SEED,
    UP_TO_HALF,
    Setting,
    check_all,
    choice,
    setting,
    settings_of,
    text,
    truth,
)
from slimrnn.variants import Variant, get, serialize
from slimrnn.variants.files import NAMES

_layer, _training = (partial(setting, group=name) for name in ("layer", "training"))
_data_choice, _layer_choice, _training_choice = (
    partial(choice, group=name) for name in ("data", "layer", "training")
)
KEY = re.compile(r"[A-Za-z0-9_.-]*-seed\d+-[0-9a-f]{12}")  # as `Settings.key` gives it


def time_scale(given: Any) -> Any:
    """The setting of that name as layers take it.

    Example:
        >>> time_scale("1:60"), time_scale("none")
        ((1.0, 60.0), None)
    """
    if not isinstance(given, str) or given == "auto":
        return given
    if given == "none":
        return None
    allowed = "auto, none, a number of steps above 1, or a range such as 1:60"
    try:
        bounds = tuple(float(part) for part in given.split(":"))
    except ValueError:
        bounds = ()
    check("time_scale", given, len(bounds) in (1, 2), allowed)
    return bounds if len(bounds) == 2 else bounds[0]


def _check_time_scale(name: str, value: Any) -> None:
    from slimrnn.variants.time_scales import TimeScales  # which needs NumPy

    TimeScales.of(time_scale(value))


def _check_budget(name: str, value: Any) -> None:
    from slimrnn.experiments.run.budget import limits  # which needs these settings

    text(name, value)
    if value is not None:
        limits(value)


@dataclass(frozen=True, kw_only=True)
class Settings(DataOptions):
    """All that one run depends on, but the machine and the versions.

    What each setting is, and what it may be, stands in its field.

    Raises:
        InputError: a value that is not allowed.

    Example:
        >>> Settings.of("lstm6", dataset="digits", epochs=3).learning_rate
        0.005
    """

    variant: str | Variant = field(
        metadata={"setting": Setting(NAMES, lambda name, value: get(value), "VARIANT")}
    )
    padding: str = _data_choice(
        "behind",
        "of unequal lengths",
        {
            "behind": "unequal lengths are padded at the end and masked",
            "front": "all are padded at the start to the longest, unmasked, as the "
            "original did",
        },
    )
    standardize: str = _data_choice(
        "auto",
        "by mean and standard deviation of the training data, within the model",
        {
            "auto": "inputs and targets of a regression, inputs of a file of columns",
            "both": "inputs and targets",
            "inputs": "inputs",
            "none": "nothing",
        },
    )
    units: int = _layer(64, "units of the layer", COUNT, "N")
    layers: int = _layer(
        1, "recurrent layers above one another, each with these units", COUNT, "N"
    )
    match: str | None = _layer(
        None,
        "the most units with which the int8 C keeps within flash=4KB, ram=1KB, "
        "instructions=6000@cortex-m4, latency=5ms@cortex-m4:64MHz (an instruction a "
        "cycle) or macs=2000, or the layers within parameters=5000; + joins limits, "
        "parameters=LSTM means those of an LSTM with the units given, and "
        "instructions:float32=6000 is of the float32 C",
        _check_budget,
        "BUDGET",
        usual="the units as given",
    )
    gate_constants: Mapping[str, float] | None = _layer(
        None,
        "other values for constant gates, such as f=0.59",
        numbers,
        "GATE=X",
        usual="the variant's",
    )
    time_scale: str | float | Mapping[str, float] = _layer(
        "auto",
        "steps that units remember at the start: auto (up to a sequence's length), "
        "none, a number, or a range such as 1:60",
        _check_time_scale,
        "T",
    )
    activation: str = _layer(
        "tanh", "of the new state", text, "NAME", names=keras_names.activations
    )
    recurrent_activation: str = _layer(
        "sigmoid", "of the gates", text, "NAME", names=keras_names.activations
    )
    init: str = _layer_choice(
        "slim",
        "how weights start",
        {
            "slim": "every matrix and vector by itself, so that all variants start "
            "alike",
            "packed": "as the original: one initialiser over each packed weight, "
            "forget biases 0 (LSTMs only)",
        },
    )
    recurrent_initializer: str = _layer(
        "orthogonal",
        "Keras's name, of the recurrent matrices",
        text,
        "NAME",
        names=keras_names.initializers,
    )
    dropout: float = _layer(0.0, "fraction of inputs dropped", BELOW_1, "P")
    recurrent_dropout: float = _layer(
        0.0, "fraction of the state dropped", BELOW_1, "P"
    )
    embedding: int = _layer(32, "numbers that a word is turned into", COUNT, "N")
    trainable_embedding: bool = _layer(
        False, "learn these numbers too", truth, "", usual="they stay as drawn"
    )
    embedding_init: str = _layer_choice(
        "normal",
        "how these numbers start",
        {
            "normal": "normal with standard deviation 1",
            "uniform": "uniform in +-0.05, as Keras and the original do",
        },
    )
    head: str = _layer_choice(
        "softmax",
        "what distinguishes classes",
        {
            "softmax": "a unit a class",
            "sigmoid": "one unit for two classes, with binary cross-entropy",
        },
    )
    loss: str = _training_choice(
        "auto",
        "what is minimized, and by what runs are compared",
        {
            "auto": "cross-entropy of classes, the squared error of numbers",
            "esr": "of sound: the error-to-signal ratio with pre-emphasis, and the DC",
        },
    )
    optimizer: str = _training(
        "adam",
        "Keras's name, such as adam, rmsprop, sgd",
        text,
        "NAME",
        names=keras_names.optimizers,
    )
    optimizer_options: Mapping[str, float] | None = _training(
        None,
        "further numbers for the optimizer, such as epsilon=1e-8",
        numbers,
        "NAME=X",
        usual="Keras's",
    )
    learning_rate: float = _training(0.001, "step size of the optimizer", ABOVE_0, "X")
    batch_size: int = _training(32, "sequences in a batch", COUNT, "N")
    epochs: int = _training(20, "passes over the training data", COUNT, "N")
    schedule: str = _training_choice(
        "constant",
        "of the learning rate",
        {
            "constant": "the learning rate stays as it is",
            "exp_loss": "after each epoch it becomes learning_rate * exp(training "
            "loss), as in arXiv 1612.03707",
        },
    )
    patience: int | None = _training(
        None,
        "end after so many epochs without a better validation score",
        COUNT_OR_NONE,
        "N",
        usual="never",
    )
    keep: str = _training_choice(
        "last",
        "whose weights are the result",
        {
            "last": "the weights of the last epoch",
            "best": "those of the epoch with the best validation score, and of several "
            "the least validation loss",
        },
    )
    seed: int = _training(
        1, "of weights, split, batches and dropout; 0 or more", SEED, "N"
    )
    validation: float = _training(
        0.1,
        "fraction of the training data kept for validation",
        UP_TO_HALF,
        "X",
        rival="validation",
    )
    validate_on_test: bool = _training(
        False,
        "validate on the test data, as the originals did: what is then chosen by "
        "validation makes test results look too good",
        truth,
        "",
        usual="on a part of the training data",
        rival="validation",
    )
    int8: bool = _training(
        False,
        "when it is trained, score validation and test data in the integers that a "
        "device computes with as well; a search then goes by those",
        truth,
        "",
        usual="in float32 alone",
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "variant", get(self.variant))
        self.check_source()
        for name in ("data", *(["target"] if is_sound(self.target) else ())):
            if isinstance(file := getattr(self, name), str):  # resumed from any folder
                object.__setattr__(self, name, os.path.abspath(file))
        if isinstance(self.time_scale, (list, tuple)):
            object.__setattr__(self, "time_scale", ":".join(map(str, self.time_scale)))
        check_all(self)

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
        known = DATASETS.get(dataset) if isinstance(dataset, str) else None
        recipe = known.recipe if known else {}
        return cls(variant=variant, dataset=dataset, data=data, **{**recipe, **given})

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Settings:
        """The settings that :meth:`config` described: those of a run to repeat."""
        known = {entry.name for entry in fields(cls)}
        unknown = sorted(set(config) - known)
        if unknown or "variant" not in config:
            raise InputError(
                f"Not the settings of a run: {', '.join(unknown) or 'no variant'}; "
                f"expected {', '.join(sorted(known))}."
            )
        return cls(**config)

    def config(self) -> dict[str, Any]:
        """All settings as JSON can hold them."""
        values = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return {**values, "variant": serialize(get(self.variant))}

    def key(self) -> str:
        """A name for the settings: the same on every machine, another for others.

        Those at their default do not count, so that one more setting in a later version
        changes no name; nor does the folder of the data, a machine's own matter.

        Example:
            >>> Settings.of("LSTM6").key() == Settings.of("lstm6", data_dir="a").key()
            True
        """
        content = {k: v for k, v in self.config().items() if v != DEFAULTS.get(k)}
        content.pop("data_dir", None)
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        digest = hashlib.sha256(text.encode()).hexdigest()
        name = re.sub(r"[^A-Za-z0-9_.-]", "_", self.name)
        return f"{name}-seed{self.seed}-{digest[:12]}"

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
        for entry in fields(self):
            if entry.name == "variant" or (entry.name == "units" and self.match):
                continue
            value = getattr(self, entry.name)
            if value != getattr(usual, entry.name) or entry.name == "dataset":
                words += _flag(entry.name, value)
        return shlex.join(words)

    def __hash__(self) -> int:
        return hash(self.key())

    @property
    def name(self) -> str:
        """The variant's name."""
        return get(self.variant).name

    @property
    def validated_on(self) -> str:
        """What the validation figures stand for."""
        if self.validate_on_test:
            return "test data"
        return f"{self.validation:.3g} of the training data"


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


SETTINGS = settings_of(Settings)
#: of all but the variant, which must be given
DEFAULTS: dict[str, Any] = {
    x.name: x.default for x in fields(Settings) if x.name != "variant"
}
#: the settings that are numbers by name
TABLES = tuple(name for name, about in SETTINGS.items() if about.is_table)
