"""Flags, made from the settings themselves."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from slimrnn.cli import flags
from slimrnn.data.options import DEFAULT_DATASET, DataOptions
from slimrnn.data.table import DATASETS
from slimrnn.errors import InputError
from slimrnn.experiments.run.settings import SETTINGS, Settings
from slimrnn.utils.checks import whole
from slimrnn.utils.settings import Setting, settings_of

#: The settings that say which data.
DATA = settings_of(DataOptions)
#: The settings that some data sets have another default of.
_BY_DATASET = {name for source in DATASETS.values() for name in source.recipe}


def add(
    command: Any,
    settings: Mapping[str, Setting] = SETTINGS,
    seeds: str = "1",
    dataset: str = DEFAULT_DATASET,
) -> None:
    """Adds a flag for each setting.

    What a value may be is not checked here but by the settings, so that Python and the
    command line report the same mistake in the same sentence.

    Args:
        command: a parser.
        settings: those of a run, or of its data alone.
        seeds: how many there are without a flag.
        dataset: which it is without a flag.
    """
    groups: dict[str, Any] = {}
    rivals: dict[str, Any] = {}
    for name, about in settings.items():
        if not about.group:
            continue
        if about.group not in groups:
            groups[about.group] = command.add_argument_group(about.group)
        place = groups[about.group]
        if about.rival:
            if about.rival not in rivals:
                rivals[about.rival] = place.add_mutually_exclusive_group()
            place = rivals[about.rival]
        place.add_argument(flags.spelled(name), **_options(name, about, dataset))
        if name == "seed":
            flags.flag(place, "--seeds", "N", "the seeds 1 to N", seeds)


def _options(name: str, about: Setting, dataset: str) -> dict[str, Any]:
    """How argparse is to take a setting."""
    words = "; ".join(f"{word}: {meaning}" for word, meaning in about.words.items())
    text = f"{about.help}. {words}" if words else about.help
    options = {"help": f"{text} (default: {usual(name, dataset)})"}
    if not about.metavar:
        return options | {"action": "store_true"}
    options["metavar"] = about.metavar
    if about.is_table:
        return options | {"action": "extend", "nargs": "+"}
    single = str if about.is_text or words else flags.number
    return options | {"type": single if name in DATA else flags.values}


def usual(name: str, dataset: str = DEFAULT_DATASET) -> str:
    """A setting's default in words, where this is the data set."""
    about, value = SETTINGS[name], getattr(Settings, name, None)
    if name == "dataset":
        return f"{dataset}, which needs no download"
    if about.usual:
        return about.usual
    if name in _BY_DATASET:
        value = DATASETS[dataset].recipe.get(name, value)
        return f"the data set's; {value} for {dataset}"
    return str(value)


def given(
    args: argparse.Namespace, settings: Mapping[str, Setting] = SETTINGS
) -> dict[str, Any]:
    """The settings that the command line gives; several values as a list."""
    found: dict[str, Any] = {}
    for name, about in settings.items():
        value = getattr(args, name, None)
        if value is None or value is False:
            continue
        if about.is_table:
            texts = flags.assignments(flags.spelled(name), value)
            value = {key: flags.number(text) for key, text in texts.items()}
        found[name] = value
    if getattr(args, "seeds", None) is not None:
        seeds = range(1, whole("number of seeds", args.seeds, least=1) + 1)
        found["seed"] = list(seeds) if len(seeds) > 1 else 1
    return found


def data(args: argparse.Namespace) -> DataOptions:
    """The data that the command line names."""
    known = given(args, DATA)
    if not known.keys() & {"dataset", "data"}:
        raise InputError("Give the data: --dataset NAME or --data FILE.")
    return DataOptions(**{"dataset": None, **known})
