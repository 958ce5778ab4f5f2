"""Functions that a graph spells in operators, by their values."""

import numpy as np
import pytest

from slimrnn import InputError
from slimrnn.ir import spelled
from slimrnn.ir.described import Described
from slimrnn.variants.activations import ACTIVATIONS, OF_LAYERS

KNOWN = {**ACTIVATIONS, **OF_LAYERS}


def found(function):
    layer = Described(spelled.FORMULA, "op", {"function": function})
    return spelled.named([layer])[0].settings["activation"]


@pytest.mark.parametrize("name", KNOWN)
def test_each_is_told_from_all_others(name):
    assert found(KNOWN[name].function) == name


@pytest.mark.parametrize("name", KNOWN)
def test_a_bound_far_off_is_seen(name):
    def bounded(x):
        return KNOWN[name].function(np.clip(x, -20, 20)) * (1 + 1e-4 * (abs(x) > 20))

    with pytest.raises(InputError, match="none of"):
        found(bounded)
