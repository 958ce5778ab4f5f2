"""A study: which trials a sweep is made of, as a TOML file says it.

    title = "Digits by rows"

    [settings]                # what all trials have in common
    dataset = "digits"
    epochs = 20

    [grid]                    # every combination of these
    variant = ["LSTM", "LSTM6"]
    learning_rate = [0.01, 0.001]
    seed = [1, 2, 3]

    [search]                  # or: so many points by Optuna for each combination
    points = 20
    units = { low = 8, high = 128, log = true }
    activation = ["tanh", "relu"]

The names are those of :class:`slimrnn.experiments.run.settings.Settings`.
"""

from __future__ import annotations

import itertools
import math
import os
import tomllib
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from slimrnn.errors import InputError
from slimrnn.experiments.run.budget import matched
from slimrnn.experiments.run.settings import SETTINGS, TABLES, Settings
from slimrnn.utils import files, foreign
from slimrnn.utils.checks import check, known, number, whole
from slimrnn.variants import Variant, get
from slimrnn.variants.files import described

RANGE = {"low", "high", "log"}
MAX_TRIALS = 10_000  # each is a folder, and a process
STUDY_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Study:
    """What a study file says, checked for its form; `trials` checks each trial.

    Args:
        settings: what all trials have in common.
        grid: lists of values; every combination is a trial.
        search: what Optuna chooses: a list of values, or ``low``, ``high`` and
            ``log`` of a number.
        points: how many points are searched for each combination of the grid.
        minutes: of a choice: about so long, rounds of a point for each combination,
            then the best again with other seeds; 0: a search of all points.
        title: of the report.
        source: where the settings come from, such as a paper.
        notes: what a reader must know; sentences.
        published: results of the source: settings, and the figures under "result".
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    grid: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    search: Mapping[str, Any] = field(default_factory=dict)
    points: int = 0
    minutes: float = 0
    title: str = ""
    source: str = ""
    notes: Sequence[str] = ()
    published: Sequence[Mapping[str, Any]] = ()

    def __post_init__(self) -> None:
        for place in ("settings", "grid", "search"):
            # A study is resumed from any folder.
            whole_paths = _each(getattr(self, place), "data", _whole_path)
            object.__setattr__(self, place, whole_paths)
        places = {"settings": self.settings, "grid": self.grid, "search": self.search}
        for place, names in places.items():
            for name in names:
                table, dot, entry = name.partition(".")
                if not (dot and entry and table in TABLES):
                    known(f"[{place}] setting", name, SETTINGS)
        for one, other in itertools.combinations(places, 2):
            twice = sorted(places[one].keys() & places[other].keys())
            if twice:
                raise InputError(
                    f"The study has {', '.join(twice)} in [{one}] and in [{other}]; "
                    f"give it in one of them."
                )
        if not any("variant" in names for names in places.values()):
            raise InputError(
                "The study has no variant; give one in [settings], such as variant = "
                '"LSTM6", or several in [grid].'
            )
        for name, values in self.grid.items():
            if not isinstance(values, list) or not values:
                raise InputError(
                    f"{name} in [grid] must be a list of values, such as [1, 2]; "
                    f"received {values!r}."
                )
        self._check_own()
        self._check_texts()
        self._check_search()

    def _check_own(self) -> None:
        """Refuses two variants of one name, which tables could not distinguish."""
        known: dict[str, Variant] = {}
        for variant in map(get, self.grid.get("variant", [])):
            if known.setdefault(variant.name, variant) != variant:
                raise InputError(
                    f"Two different variants in [grid] are called {variant.name}; "
                    f"give each a name of its own."
                )

    def _check_texts(self) -> None:
        for name in ("title", "source"):
            value = getattr(self, name)
            check(f"{name} of a study", value, isinstance(value, str), "a text")
        notes = isinstance(self.notes, (list, tuple)) and all(
            isinstance(note, str) for note in self.notes
        )
        check("notes of a study", self.notes, notes, "a list of texts")
        published = isinstance(self.published, (list, tuple)) and all(
            isinstance(entry, Mapping)
            and isinstance(entry.get("where"), Mapping)
            and isinstance(entry.get("result"), Mapping)
            and all(map(number, entry["result"].values()))
            for entry in self.published
        )
        allowed = "entries with where, settings by name, and result, numbers by name"
        check("[[published]] of a study", self.published, published, allowed)
        for entry in self.published:
            if "variant" in entry["where"]:
                get(entry["where"]["variant"])  # says what is wrong

    def _check_search(self) -> None:
        for name, space in self.search.items():
            if (isinstance(space, list) and space) or _is_range(space):
                continue
            raise InputError(
                f"{name} in [search] must be a list of values or a range such as "
                f"{{ low = 0.001, high = 0.1, log = true }}, where log needs a low end "
                f"above 0; received {space!r}."
            )
        points = whole("number of points", self.points, least=int(bool(self.search)))
        fits = number(self.minutes) and (self.minutes == 0 or self.minutes > 0 < points)
        check("minutes of a study", self.minutes, fits, "a number above 0, of a search")
        for name in ("seed", "variant"):
            if name in self.search:
                raise InputError(f"A {name} is not searched; give a list in [grid].")
        count = math.prod(map(len, self.grid.values())) * max(1, points)
        whole("number of trials of a study", count, least=1, most=MAX_TRIALS)

    def values(self, name: str) -> list[Any]:
        """What is searched of a setting: its values, or the two ends and one between.

        The one between says whether a number that is not whole is allowed.
        """
        space = self.search[name]
        if isinstance(space, list):
            return space
        low, high = space["low"], space["high"]
        if isinstance(low, int) and isinstance(high, int):
            return [low, high]
        return [float(low), float(high), (low + high) / 2]

    @property
    def is_one_trial(self) -> bool:
        """Whether there is neither a grid nor a search."""
        return not (self.grid or self.search)

    @property
    def varied(self) -> tuple[str, ...]:
        """The settings in which trials differ."""
        return (*self.grid, *self.search)

    def trials(self) -> Iterator[Settings]:
        """Each trial of the grid once, in its order."""
        seen = set()
        for given in self.combinations():
            settings = self.trial(given)
            if settings.key() not in seen:
                seen.add(settings.key())
                yield settings

    def combinations(self, without: str | None = None) -> Iterator[dict[str, Any]]:
        """The combinations of the grid, but for one of its names; each once."""
        names = [name for name in self.grid if name != without]
        seen = set()
        for values in itertools.product(*(self.grid[name] for name in names)):
            given = dict(zip(names, values, strict=True))
            given = {k: v for k, v in given.items() if self.concerns(k, given)}
            plain = (v if isinstance(v, Hashable) else repr(v) for v in given.values())
            same = tuple(zip(given, plain, strict=True))
            if same not in seen:
                seen.add(same)
                yield given

    def concerns(self, name: str, given: Mapping[str, Any]) -> bool:
        """Whether a variant has what a name of the grid or the search stands for.

        A gate's constant is a setting of those variants alone in which the gate is
        constant.
        """
        table, _, gate = name.partition(".")
        if table != "gate_constants":
            return True
        return gate in get({**self.settings, **given}["variant"]).constants

    def trial(self, given: Mapping[str, Any]) -> Settings:
        """The settings of a trial, its units solved from its budget."""
        return matched(Settings.of(**_nested({**self.settings, **given})))

    def changed(self, changes: Mapping[str, Sequence[Any]]) -> Study:
        """The study with other values: one for all trials, or several in the grid.

        Example:
            >>> study = Study(grid={"variant": ["LSTM", "LSTM6"]})
            >>> study.changed({"variant": ["LSTM"], "seed": [1, 2]}).grid
            {'seed': [1, 2]}
        """
        parts: dict[str, Any] = {
            name: {k: v for k, v in getattr(self, name).items() if k not in changes}
            for name in ("settings", "grid", "search")
        }
        for name, values in _described(changes).items():
            if len(values) == 1 and not name.startswith("gate_constants."):
                parts["settings"][name] = values[0]
            else:
                parts["grid"][name] = list(values)
        return replace(self, **parts)

    def config(self) -> dict[str, Any]:
        """The study as JSON can hold it."""
        return {entry.name: getattr(self, entry.name) for entry in fields(self)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Study:
        """The study that a table of TOML or JSON describes."""
        for name in config:
            known("key of a study", name, [entry.name for entry in fields(cls)])
        for name in ("settings", "grid", "search"):
            if not isinstance(config.get(name, {}), Mapping):
                raise InputError(f"[{name}] of a study must be a table.")
        return cls(**config)


def _each(
    names: Mapping[str, Any], name: str, change: Callable[[Any], Any]
) -> Mapping[str, Any]:
    """The same with the value of a name, or each of a list of them, changed."""
    given = names.get(name)
    if isinstance(given, list):
        return {**names, name: list(map(change, given))}
    return {**names, name: change(given)} if given else names


def _described(names: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same with a variant of somebody's own as its description, not as its file.

    Processes of trials and resumed studies run nobody's file.
    """
    return _each(names, "variant", described)


def _whole_path(file: Any) -> Any:
    return os.path.abspath(file) if isinstance(file, str) else file


def _is_range(space: Any) -> bool:
    """Whether a table of [search] has two numbers that a search can lie between."""
    if not isinstance(space, Mapping) or not {"low", "high"} <= space.keys() <= RANGE:
        return False
    low, high, log = space["low"], space["high"], space.get("log", False)
    fits = number(low) and number(high) and isinstance(log, bool)
    return fits and low < high and (low > 0 or not log)


def _nested(given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with "gate_constants.f" as the table's entry that it means."""
    found: dict[str, Any] = {}
    for name, value in given.items():
        table, _, entry = name.partition(".")
        if entry:
            before = found.get(table) or {}
            if not isinstance(before, Mapping):
                raise InputError(
                    f"{table} must be numbers by name; received {before!r} together "
                    f"with {name}."
                )
            found[table] = {**before, entry: value}
        else:
            found[name] = value
    return found


def _flat(given: Mapping[str, Any]) -> dict[str, Any]:
    """The lists of a grid with each entry of a table as a name of its own."""
    found: dict[str, Any] = {}
    for name, value in given.items():
        if name in TABLES and isinstance(value, Mapping):
            found |= {f"{name}.{entry}": item for entry, item in value.items()}
        else:
            found[name] = value
    return found


def read(path: Path) -> Study:
    """The study in a TOML file."""
    try:
        content = tomllib.loads(foreign.text(path, STUDY_BYTES))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({files.why(error)}).") from error
    except InputError:
        raise
    except (ValueError, RecursionError) as error:  # of the encoding as well
        raise InputError(f"The study {path} is not valid TOML: {error}.") from error
    search = content.get("search")
    if isinstance(search, dict) and "points" in search:
        content["points"] = search.pop("points")
    for place in ("grid", "search"):
        if isinstance(content.get(place), dict):
            content[place] = _flat(content[place])
    try:
        for place in ("settings", "grid"):
            if isinstance(content.get(place), dict):
                content[place] = _described(content[place])
        return Study.from_config(content)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
