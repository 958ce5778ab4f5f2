"""Configurations: which runs belong together, and in which settings they differ.

A configuration is all runs that share all settings but the seed. The settings that
vary between configurations are, in a comparison, the variant alone; in a sweep, there
are more. Only on the same data set, and at the same budget if they have one, can
configurations be compared.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from slimrnn.errors import InputError
from slimrnn.experiments.run.store import Run

VARIANT = "variant"
#: What a repetition changes, and where a machine has its data: they part no
#: configurations.
ASIDE = ("seed", "data_dir")

Value = str | int | float | bool | None


def variant_name(run: Run) -> str:
    """The name of a run's variant; a user's own one is written out in its settings."""
    variant = run.config[VARIANT]
    return variant if isinstance(variant, str) else variant["name"]


def data_name(run: Run) -> str:
    """What the run was trained on: the data set's name, or the user's file."""
    return run.config.get("dataset") or run.config.get("data") or "unnamed data"


def by_dataset(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """The runs of each data set and budget, in the order of their first appearance.

    A user's file is called by its path's last part, where no other file is.
    """
    found: dict[tuple[str, str | None], list[Run]] = {}
    for run in runs:
        found.setdefault((data_name(run), run.config.get("match")), []).append(run)
    short = Counter(os.path.basename(name) for name in {name for name, _ in found})
    named = {}
    for (name, budget), group in found.items():
        base = os.path.basename(name)
        name = base if short[base] == 1 else name
        named[f"{name}, {budget}" if budget else name] = group
    return named


def settings(run: Run) -> dict[str, Value]:
    """All of a run's settings that count, as single values by name.

    Example:
        >>> from pathlib import Path
        >>> config = {"variant": "LSTM6", "seed": 1, "gate_constants": {"f": 0.5}}
        >>> settings(Run(Path("a"), config, {}, [], {}))
        {'variant': 'LSTM6', 'gate_constants f': 0.5}
    """
    config = {key: value for key, value in run.config.items() if key not in ASIDE}
    return {**_flat(config), VARIANT: variant_name(run)}


def _flat(config: Mapping[str, Any]) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for key, value in config.items():
        if isinstance(value, Mapping) and key != VARIANT:
            inner = _flat(value).items()
            found |= {f"{key} {name}": item for name, item in inner}
        elif isinstance(value, (list, tuple)):
            found[key] = json.dumps(value)
        else:
            found[key] = value
    return found


def varied_settings(runs: Sequence[Run]) -> dict[str, tuple[Value, ...]]:
    """The settings that differ and their values: the variant, always, and the others.

    A setting that a run does not have counts as None.

    Example:
        >>> from pathlib import Path
        >>> configs = [{"variant": "LSTM", "units": n} for n in (8, 4)]
        >>> varied_settings([Run(Path("a"), config, {}, [], {}) for config in configs])
        {'variant': ('LSTM',), 'units': (4, 8)}
    """
    _check_names(runs)
    all_settings = [settings(run) for run in runs]
    names = dict.fromkeys(name for each in all_settings for name in each)
    values = {
        name: tuple(dict.fromkeys(each.get(name) for each in all_settings))
        for name in names
    }
    others = {
        name: tuple(sorted(found, key=_order))
        for name, found in values.items()
        if name != VARIANT and len(found) > 1
    }
    return {VARIANT: values[VARIANT], **others}


def _check_names(runs: Sequence[Run]) -> None:
    """Refuses two variants of one name, which would become one configuration."""
    known: dict[str, Run] = {}
    for run in runs:
        other = known.setdefault(variant_name(run), run)
        if other.config[VARIANT] != run.config[VARIANT]:
            raise InputError(
                f"Two different variants are called {variant_name(run)}, in "
                f"{other.path} and {run.path}; delete the runs of one of them."
            )


def configurations(runs: Sequence[Run]) -> list[list[Run]]:
    """The runs of each: the variants as they appear, then by their settings."""
    found: dict[tuple[Value, ...], list[Run]] = {}
    known = varied_settings(runs)
    for run in runs:
        own = settings(run)
        found.setdefault(tuple(own.get(name) for name in known), []).append(run)
    places = {name: place for place, name in enumerate(known[VARIANT])}

    def order(values: tuple[Value, ...]) -> Any:
        return places[values[0]], [_order(value) for value in values[1:]]

    return [found[values] for values in sorted(found, key=order)]


def _order(value: Value) -> tuple[int, float, str]:
    """Sorts numbers by size, then texts, then what is not there."""
    if value is None:
        return 2, 0, ""
    if isinstance(value, str):
        return 1, 0, value
    return 0, value, ""


def shared(mappings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The entries that all of the mappings, at least one, have in common.

    Example:
        >>> shared([{"units": 64, "seed": 0}, {"units": 64, "seed": 1}])
        {'units': 64}
    """
    first, *others = mappings
    return {
        key: value
        for key, value in first.items()
        if all(key in other and other[key] == value for other in others)
    }


def title(name: str) -> str:
    """A setting's name in words."""
    return name.replace("_", " ")


def text(value: Value) -> str:
    """A setting's value as it is shown."""
    if value is None:
        return "-"
    return f"{value:g}" if isinstance(value, float) else str(value)


def plural(number: int, noun: str) -> str:
    """A number of things."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def listed(names: Sequence[str], most: int | None = None) -> str:
    """Names as a sentence has them, and of more than so many how many more there are.

    Example:
        >>> listed(["a", "b"]), listed(["a", "b", "c"], most=1)
        ('a and b', 'a and 2 more')
    """
    *first, last = names
    if most is not None and len(names) > most:
        first, last = list(names[:most]), f"{len(names) - most} more"
    return f"{', '.join(first)} and {last}" if first else last


def shortened(words: str, most: int) -> str:
    """The text, of which no more than so many characters are left."""
    return words if len(words) <= most else words[: most - 1] + "…"
