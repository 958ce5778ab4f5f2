"""Starts by time scales: the formulas, against those that were published."""

import numpy as np
import pytest

from problems import ROWS
from slimrnn import InputError, Variant
from slimrnn.variants import ACTIVATIONS, CellSpec, get
from slimrnn.variants.time_scales import TimeScales, paced_constants

pytestmark = pytest.mark.backend_free

U = (np.arange(1000) + 0.5) / 1000  # what the published codes draw: quantiles of it

#: published start -> the time scales that are the same, the biases of f and of i
PUBLISHED = {
    # arXiv:1804.11188: b_f = log U(1, T_max - 1), b_i = -b_f
    "chrono": (TimeScales(2, 100, exponent=0), np.log(1 + U * 98), -np.log(1 + U * 98)),
    # JosvanderWesthuizen/janet, aux_code/rnn_cells.py: b_f = log U(1, T_max), and the
    # input is weighed by sigmoid(1 - s), where the forget gate is sigmoid(s)
    "janet": (
        TimeScales(2, 101, exponent=0, shift=1),
        np.log(1 + U * 99),
        1 - np.log(1 + U * 99),
    ),
    # state-spaces/s4, src/models/nn/gate.py, mechanism U with n = 64 units:
    # f ~ U(1/n, 1 - 1/n), b = log(f / (1 - f)), i = 1 - f
    "s4": (
        TimeScales(64 / 63, 64, exponent=2),
        np.log(1 / (1 / (1 / 64 + U * 62 / 64) - 1)),
        -np.log(1 / (1 / (1 / 64 + U * 62 / 64) - 1)),
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_starts(name):
    scales, forget, entry = PUBLISHED[name]
    gates = scales.gates("lstm", scales.quantiles(len(U)))
    biases = {k: ACTIVATIONS["sigmoid"].inverse(v) for k, v in gates.items()}
    np.testing.assert_allclose(biases["f"], forget, atol=1e-9)
    np.testing.assert_allclose(biases["i"], entry, atol=1e-9)


@pytest.mark.parametrize("exponent", [0, 0.5, 1, 1.56, 2, 3])
def test_quantiles_have_their_density(exponent):
    found = TimeScales(1.5, 60, exponent).quantiles(20000)
    edges = np.linspace(1.5, 60, 9)
    share = np.histogram(found, edges)[0] / len(found)
    fine = np.linspace(1.5, 60, 80001)
    density = fine**-exponent
    expected = density[:-1].reshape(8, -1).sum(-1) / density[:-1].sum()
    np.testing.assert_allclose(share, expected, atol=2e-3)


@pytest.mark.parametrize("name", ROWS)
def test_each_family_forgets_with_the_time_constant(name):
    # A unit that gets nothing keeps f of its state in a step.
    family, scales = ROWS[name].family, np.array([1.5, 10.0, 500.0])
    gates = TimeScales(1, 100).gates(family, scales)
    kept = {"lstm": lambda g: g["f"], "gru": lambda g: g["z"]}
    kept["mgu"] = lambda g: 1 - g["f"]
    kept = kept[family.removesuffix("_after")]
    np.testing.assert_allclose(kept(gates), 1 - 1 / scales)


PACED = {"LSTM6": ("i", "f"), "LSTM4a": ("f",), "LSTM": (), "GRU3": ()}
PACED |= {"NFG": ("f",), "UGRNN": (), "IndRNN": (), "Leaky": ()}


@pytest.mark.parametrize("name", PACED)
def test_the_constant_gates_that_time_scales_set(name):
    scales = TimeScales.of("auto")
    assert paced_constants(get(name), "auto", scales) == PACED[name]
    assert paced_constants(get(name), None, None) == ()
    assert scales.constants("lstm") == {"f": 0.9, "i": 0.1}


def test_short_sequences_keep_the_published_start():
    for known in (1, 8, 15):
        assert TimeScales.of("auto", known) is TimeScales.of({"length": known}) is None
    assert TimeScales.of("auto", 16) == TimeScales(1, 16)


def test_auto_leaves_the_constants_of_a_variant_of_ones_own():
    mine = Variant("Mine", "lstm", dict(get("LSTM6").items()))
    for auto in ("auto", {"length": 90}):
        assert paced_constants(mine, auto, TimeScales.of(auto)) == ()
    assert paced_constants(mine, 10, TimeScales.of(10)) == ("i", "f")


@pytest.mark.parametrize(
    "bad", [1, 0, -3, True, "x", (5, 2), (0.5, 9), (1, 2, 3), (1, 1), float("nan")]
)
def test_what_is_no_time_scale_is_refused(bad):
    with pytest.raises(InputError, match="time_scale must be None, a number of steps"):
        TimeScales.of(bad)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("name", ["MGU", "MGU1", "MGU2", "MGU3", "GRU3", "LSTM3"])
def test_a_slow_reset_gate_hides_nothing_of_h_at_the_start(name, after):
    """U reads f h, or f what U reads: the product is then that of U alone.

    Not where x or h open the gate, which would let T times too much of h through.
    """
    row = get(name)
    row = row.with_reset_after() if after and row.family != "lstm" else row
    spec, scales = CellSpec(row), TimeScales(1, 100)
    biases = scales.biases(
        spec.variant.family, spec.recurrent_activation.inverse, ORDER
    )
    gains = scales.gains(spec, biases)
    assert bool(gains) == (name == "MGU3")
    rng = np.random.default_rng(0)
    u, h = rng.normal(size=(len(ORDER), len(ORDER))), rng.normal(size=len(ORDER))
    for gate, gain in gains.items():
        f = 1 / (1 + np.exp(-biases["f"]))
        read = f * (h @ (u * gain)) if gate == "n" else (f * h) @ (u * gain)
        np.testing.assert_allclose(read, h @ u)


ORDER = np.array([3, 0, 4, 2, 1])
