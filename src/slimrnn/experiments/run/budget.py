"""Equal cost: how many units a variant may have within a budget, before any training.

A budget is one limit, or several that hold together: ``flash=4KB+ram=1KB``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache, partial

from slimrnn.deploy.c.export import DTYPES
from slimrnn.deploy.size import CORES, size
from slimrnn.errors import InputError
from slimrnn.experiments.run.settings import DEFAULTS, SETTINGS, Settings
from slimrnn.ir import Model, read
from slimrnn.ir.resize import resized
from slimrnn.utils.checks import known
from slimrnn.variants import BASELINE, CellSpec, get

#: of budgets; bytes by 1024, as data sheets of microcontrollers count them
BYTES = {"": 1, "b": 1, "kb": 2**10, "kib": 2**10, "mb": 2**20, "mib": 2**20}
COUNTS = {"": 1, "k": 1e3, "m": 1e6}
SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
HERTZ = {"hz": 1.0, "khz": 1e3, "mhz": 1e6, "ghz": 1e9}
_, INT8 = DTYPES
CORE = "cortex-m4"  # whose instructions count where no device is given
MOST_UNITS = 2**10  # beyond, a budget is no limit
_ROWS = 4  # that a product takes at a time


class Sized:
    """A model with its sizes by dtype, each computed when it is asked for."""

    def __init__(self, model: Model):
        self.model = model
        self.size = cache(partial(size, model))


@dataclass(frozen=True)
class Measure:
    """What a budget can limit.

    Attributes:
        of: the cost of a model, of the C of a dtype on a core.
        units: what an amount may end in, and what that stands for.
        words: what a message calls it.
        on_device: whether it depends on the core; ``needs_clock``: and on its clock.
    """

    of: Callable[[Sized, str, str], float]
    units: Mapping[str, float]
    words: str
    on_device: bool = False
    needs_clock: bool = False


def _counted(what: str) -> Callable[[Sized, str, str], float]:
    return lambda sized, dtype, core: getattr(sized.size(dtype), what)


def _instructions(sized: Sized, dtype: str, core: str) -> float:
    return sized.size(dtype).instructions[core]


def _parameters(sized: Sized, *_: str) -> float:
    cells = [layer.cell for layer in sized.model.recurrent()]
    return sum(cell.variant.parameters(cell.features, cell.units) for cell in cells)


MEASURES = {
    "flash": Measure(_counted("flash"), BYTES, "bytes of flash"),
    "ram": Measure(_counted("ram"), BYTES, "bytes of RAM"),
    "instructions": Measure(_instructions, COUNTS, "instructions a step", True),
    "latency": Measure(_instructions, SECONDS, "instructions a step", True, True),
    "macs": Measure(_counted("macs"), COUNTS, "multiply-adds a step"),
    "parameters": Measure(_parameters, COUNTS, "parameters in the layers"),
}
ALLOWED = (
    "flash=4KB, ram=1KB, instructions=6000@cortex-m4, latency=5ms@cortex-m4:64MHz, "
    "macs=2000 or parameters=LSTM, or several with + between them; "
    "instructions:float32=6000 is of the float32 C"
)
_AMOUNT = re.compile(r"([0-9]*\.?[0-9]+)\s*([a-z]*)", re.IGNORECASE)


class Unfit(InputError):
    """A variant that no number of units brings within a budget.

    Attributes:
        excess: how many times the budget its smallest model costs.
    """

    def __init__(self, message: str, excess: float):
        super().__init__(message)
        self.excess = excess


def none_fits(unfit: Iterable[Unfit]) -> InputError:
    """The mistake of a budget within which none of the variants is."""
    least = min(unfit, key=lambda reason: reason.excess)
    return InputError(f"No variant fits. The smallest: {least}")


@dataclass(frozen=True)
class Limit:
    """One limit of a budget.

    Attributes:
        measure: a name of :data:`MEASURES`.
        most: what it may cost, in bytes, counts or instructions of a core.
        core: one of ``slimrnn.deploy.size.CORES``.
        reference: instead of ``most``: a variant, which costs as much with the units
            of the settings.
        text: as it was given.
        dtype: of the C that is meant.
    """

    measure: str
    most: float
    core: str
    reference: str
    text: str
    dtype: str

    @classmethod
    def of(cls, text: str) -> Limit:
        """The limit that a text such as ``flash=4KB`` gives.

        Raises:
            InputError: an unknown measure, unit or device; no amount above 0.

        Example:
            >>> Limit.of("latency=5ms@cortex-m4:64MHz").most
            320000.0
        """
        name, sign, given = text.strip().partition("=")
        name, _, dtype = name.strip().lower().partition(":")
        known("budget", name, MEASURES)
        known(f"dtype of {text}", dtype or INT8, DTYPES)
        amount, at, device = given.strip().partition("@")
        core, _, clock = device.strip().lower().partition(":")
        measure = MEASURES[name]
        known(f"device of {text}", core or CORE, CORES)
        if (at and not measure.on_device) or bool(clock) != measure.needs_clock:
            raise InputError(f"A budget must be {ALLOWED}; received {text!r}.")
        if not sign or amount[:1].isalpha():
            reference = get(amount or BASELINE).name
            said = f"{name}{dtype and ':'}{dtype}={reference}"
            return cls(name, 0.0, core or CORE, reference, said, dtype or INT8)
        most = _number(text, amount, measure.units)
        if measure.needs_clock:
            most *= _number(text, clock, HERTZ)
        return cls(name, most, core or CORE, "", text.strip(), dtype or INT8)

    def cost(self, sized: Sized) -> float:
        """What a model costs."""
        return MEASURES[self.measure].of(sized, self.dtype, self.core)

    def absolute(self, cost: float) -> Limit:
        """The limit of a reference that costs so much."""
        name = "instructions" if self.measure == "latency" else self.measure
        dtype = f":{self.dtype}" * (self.dtype != INT8)
        core = f"@{self.core}" * MEASURES[name].on_device
        return Limit.of(f"{name}{dtype}={cost:.0f}{core}")


def _number(text: str, amount: str, units: Mapping[str, float]) -> float:
    """The number that an amount with a unit stands for."""
    found = _AMOUNT.fullmatch(amount.strip())
    if found is None or float(found[1]) <= 0:
        raise InputError(f"A budget must be {ALLOWED}; received {text!r}.")
    unit = found[2].lower()
    if unit not in units:
        known(f"unit of {text}", unit or "none", filter(None, units))
    return float(found[1]) * units[unit]


def limits(text: str) -> tuple[Limit, ...]:
    """The limits of a budget.

    Example:
        >>> [(limit.measure, limit.most) for limit in limits("flash=4KB+ram=1KB")]
        [('flash', 4096.0), ('ram', 1024.0)]
    """
    return tuple(map(Limit.of, text.split("+")))


def matched(settings: Settings) -> Settings:
    """The settings with the most units that their budget lets the variant have.

    A reference in the budget becomes its cost, so that to match again changes nothing.

    Raises:
        Unfit: one unit costs too much.
        InputError: an unknown budget, a model whose size is not known, as int8 does
            not have it, or more units than any device has room for.

    Example:
        >>> given = Settings.of("LSTM6", units=20, match="parameters=LSTM")
        >>> matched(given).units, matched(given).match
        (43, 'parameters=2320')
    """
    if settings.match is None:
        return settings
    budget = []
    for limit in limits(settings.match):
        if limit.reference:
            other = replace(settings, variant=limit.reference, gate_constants=None)
            limit = limit.absolute(limit.cost(_candidates(other)[settings.units]))
        budget.append(limit)
    units = most_units(_candidates(settings), budget)
    return replace(
        settings, units=units, match="+".join(limit.text for limit in budget)
    )


class Candidates:
    """A chain of layers with any number of units: their sizes, each computed once."""

    def __init__(self, chain: Model, spec: CellSpec):
        self.chain = replace(chain, steps=1)  # the fewer, the sooner it is computed
        self.spec = spec
        self._known: dict[int, Sized] = {}

    @property
    def variant(self) -> str:
        """The name of the cells' variant."""
        return self.spec.variant.name

    def __getitem__(self, units: int) -> Sized:
        if units not in self._known:
            self._known[units] = Sized(resized(self.chain, units, self.spec))
        return self._known[units]


def most_units(candidates: Candidates, budget: Sequence[Limit]) -> int:
    """The most units with which a chain of layers keeps within a budget.

    Raises:
        Unfit: one unit costs too much.
        InputError: more than :data:`MOST_UNITS` keep within it.
    """

    def fits(units: int) -> bool:
        return all(limit.cost(candidates[units]) <= limit.most for limit in budget)

    # The cost grows from one multiple of four to the next, and what lies between two
    # of them costs no less than the first: a product takes its rows by four.
    low, high = 0, _ROWS
    while fits(high):
        low, high = high, 2 * high
        if high > MOST_UNITS:
            texts = "+".join(limit.text for limit in budget)
            raise InputError(
                f"{texts} lets {candidates.variant} have more than {low:,} units; give "
                f"a smaller budget."
            )
    while high - low > _ROWS:
        middle = (low + high) // (2 * _ROWS) * _ROWS
        low, high = (middle, high) if fits(middle) else (low, middle)
    for units in range(low + _ROWS - 1, max(low, 1) - 1, -1):
        if fits(units):
            return units
    raise _unfit(candidates, budget)


def _unfit(candidates: Candidates, budget: Sequence[Limit]) -> Unfit:
    """What the smallest model of a chain costs, where that is too much."""
    costs = [limit.cost(candidates[1]) for limit in budget]
    over = [cost / limit.most for cost, limit in zip(costs, budget, strict=True)]
    excess, cost, limit = max(zip(over, costs, budget, strict=True), key=lambda x: x[0])
    return Unfit(
        f"{candidates.variant} takes {cost:,.0f} {MEASURES[limit.measure].words} "
        f"with one unit, and {limit.text} allows {limit.most:,.0f}.",
        excess,
    )


def _candidates(settings: Settings) -> Candidates:
    """The models of the settings, whatever their seed and their training."""
    training = [name for name, about in SETTINGS.items() if about.group == "training"]
    usual = {name: DEFAULTS[name] for name in (*training, "match")}
    return _candidates_of(replace(settings, **usual, units=1))


@lru_cache(maxsize=256)  # the trials of a search ask for the same again and again
def _candidates_of(settings: Settings) -> Candidates:
    from slimrnn.experiments.run import build  # which imports Keras, as the next does
    from slimrnn.ir.keras_layers import spec_of

    length = build.typical_length(build.load(settings))
    chain = replace(settings, variant=BASELINE, gate_constants=None, time_scale="none")
    return Candidates(_chain(chain), spec_of(build.recurrent(settings, length)))


@lru_cache(maxsize=64)
def _chain(settings: Settings) -> Model:
    """The layers of a model, whatever its cells."""
    from slimrnn.experiments.run import build

    return read(build.build(settings, build.load(settings)))
