"""What a slim cell is: gates and their terms, the algebra, the table."""

import sys
from types import ModuleType

from slimrnn.variants.activations import ACTIVATIONS, Activation
from slimrnn.variants.gates import CANDIDATE, FAMILIES, WEIGHTS, Family, Gate
from slimrnn.variants.spec import CellSpec
from slimrnn.variants.table import ALIASES, BASELINE, TABLE, get, serialize, variants
from slimrnn.variants.variant import Variant

__all__ = [
    "ACTIVATIONS",
    "ALIASES",
    "BASELINE",
    "CANDIDATE",
    "FAMILIES",
    "TABLE",
    "WEIGHTS",
    "Activation",
    "CellSpec",
    "Family",
    "Gate",
    "Variant",
    "get",
    "serialize",
    "variants",
]


class _Table(ModuleType):
    """Lets ``slimrnn.variants()`` list the rows, beside ``slimrnn.variants.get``."""

    def __call__(self) -> tuple[Variant, ...]:
        return variants()


sys.modules[__name__].__class__ = _Table
