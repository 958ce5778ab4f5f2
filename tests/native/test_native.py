"""The native engine from NumPy: against the oracle, on each instruction set."""

import math
import os
import subprocess
import sys
import threading
from itertools import cycle, product

import numpy as np
import pytest

from layer_problems import FEW
from problems import ROWS, SIZES, WITHOUT_H, problem
from products import each_once, some
from slimrnn import InputError, native, reference
from slimrnn.native import library
from slimrnn.native.structures import BUFFERS
from slimrnn.variants import ACTIVATIONS, CellSpec, Gate, Variant, shapes

pytestmark = [
    pytest.mark.backend_free,
    pytest.mark.skipif(bool(native.reason()), reason=native.reason()),
]

ISAS = native.isas() if not native.reason() else ()
PAIRS = [
    ("tanh", "sigmoid"),
    ("sigmoid", "hard_sigmoid_keras2"),
    ("linear", "hard_sigmoid"),
    ("relu", "linear"),
]
ALL_SIZES = {
    **SIZES,
    "a block and a part": (19, 7, 5, 33),
    "two chunks": (3, 131, 3, 5),
    "wide": (2, 3, 37, 100),
    "more features than units": (2, 3, 70, 5),
}
TOLERANCE = 1e-5  # relative to the largest element


@pytest.fixture(params=ISAS)
def isa(request):
    """Each instruction set that this machine has."""
    best = native.isa()
    native.use_isa(request.param)
    yield request.param
    native.use_isa(best)


@pytest.fixture
def threads():
    """Lets a test change the number of threads."""
    yield native.set_num_threads
    native.set_num_threads(0)


def settings_of(p, activation="tanh", recurrent_activation="sigmoid"):
    return {
        "mask": p.mask,
        "recurrent_mask": p.recurrent_mask,
        "activation": activation,
        "recurrent_activation": recurrent_activation,
    }


def everything(p, engine, **settings):
    """All outputs, last states and gradients, by name."""
    result = engine.run(p.variant, p.x, p.weights, p.initial, **settings)
    gradients = engine.gradients(
        p.variant, p.x, p.weights, p.initial, p.doutputs, p.dstates, **settings
    )
    states = {f"last {k}": v for k, v in result.states.items()}
    return {
        "outputs": result.outputs,
        **states,
        **{f"gradient of {k}": v for k, v in gradients.items()},
    }


def check(p, **settings):
    """Each instruction set computes what the oracle does."""
    expected, best = everything(p, reference, **settings), native.isa()
    try:
        for isa in ISAS:
            native.use_isa(isa)
            found = everything(p, native, **settings)
            assert set(found) == set(expected)
            for name, value in expected.items():
                assert found[name].shape == value.shape, name
                scale = abs(value).max(initial=1e-3)
                worst = abs(found[name] - value).max(initial=0) / scale
                assert worst <= TOLERANCE, f"{isa}, {name}: off by {worst:.1e}"
    finally:
        native.use_isa(best)


def the_same_bits(p, threads):
    """Whatever the number of threads, the last of which is several."""
    results = []
    for count in (1, 2, 3, 5):
        threads(count)
        results.append(everything(p, native, **settings_of(p)))
    for other in results[1:]:
        for key, value in results[0].items():
            np.testing.assert_array_equal(value, other[key], err_msg=key)


# A few rows in every way; of the others, each in one.
SIZE_OF = dict(zip(ROWS, cycle(ALL_SIZES), strict=False))
WITH_OF = dict(zip(ROWS, cycle(product((False, True), PAIRS)), strict=False))


@pytest.mark.parametrize(
    ("name", "size"),
    some(lambda name, size: name in FEW or size == SIZE_OF[name], ROWS, ALL_SIZES),
)
def test_sizes(name, size, monkeypatch):
    scale = 0.3 if size in SIZES else 0.15
    monkeypatch.setitem(SIZES, size, ALL_SIZES[size])
    p = problem(name, size, scale=scale)
    check(p, **settings_of(p))


@pytest.mark.parametrize(
    ("name", "dropout", "activations"),
    some(
        lambda name, *how: name in FEW or how == WITH_OF[name],
        *(ROWS, (False, True), PAIRS),
    ),
)
def test_activations_masks_and_dropout(name, dropout, activations):
    p = problem(name, "one feature", True, dropout, scale=0.1)
    check(p, **settings_of(p, *activations))


@pytest.mark.parametrize("name", ["tanh", "sigmoid"])
def test_the_error_of_an_activation(name, isa):
    # h = 0 * h + g(x)
    bare = Variant("Bare", "mgu", {"f": Gate(constant=1.0), "c": Gate(x="full")})
    x = np.linspace(-12, 12, 100001).astype("float32")[None, :, None]
    found = native.run(bare, x, {"kernel": np.ones((1, 1))}, activation=name).outputs
    expected = ACTIVATIONS[name].function(x.astype(float))
    assert abs(found - expected).max() <= 2e-7


@pytest.mark.parametrize("batch", [*range(1, 20), 127, 128, 129])
@pytest.mark.parametrize("name", ["LSTM5", "GRU1"])
def test_every_batch(name, batch, monkeypatch):
    monkeypatch.setitem(SIZES, "this", (batch, 4, 3, 5))
    p = problem(name, "this")
    check(p, **settings_of(p))


@pytest.mark.parametrize("name", ROWS)
def test_threads_do_not_change_a_bit(name, threads, monkeypatch):
    monkeypatch.setitem(SIZES, "this", (37, 50, 9, 65))  # worth several threads
    the_same_bits(problem(name, "this", scale=0.1), threads)


@pytest.mark.parametrize(("name", "masked"), each_once(WITHOUT_H, (False, True)))
def test_threads_share_the_time_of_rows_without_h(name, masked, threads, monkeypatch):
    monkeypatch.setitem(SIZES, "this", (4 if masked else 1, 2100, 3, 33))
    p = problem(WITHOUT_H[name], "this", masked, masked)
    the_same_bits(p, threads)
    check(p, **settings_of(p))


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", ROWS)
def test_all_that_is_read_was_written(name, masked, monkeypatch):
    p = problem(name, "one feature", masked, masked, scale=0.2)

    # Whatever the engine is given to write into is full of NaN before.
    def poisoned(shape, dtype="float32"):
        return np.zeros(shape, dtype) + np.array(np.nan, dtype)

    monkeypatch.setattr(np, "empty", poisoned)
    monkeypatch.setattr(np, "empty_like", lambda a: poisoned(a.shape, a.dtype))
    for value in everything(p, native, **settings_of(p)).values():
        assert np.isfinite(value).all()


def test_vanishing_gradients_take_no_longer():
    # They pass through denormal numbers, on which some processors are 100 times slower.
    weights = {k: np.zeros(s) for k, s in ROWS["LSTM6"].shapes(1, 4).items()}
    x = np.ones((1, 400, 1))
    d = {k: np.full((1, 4), 1e-30) for k in "hc"}
    zeros = {k: np.zeros((1, 4)) for k in "hc"}
    found = native.gradients("LSTM6", x, weights, zeros, None, d)
    assert not found["initial c"].any()  # 1e-30 * 0.4 ** 400, flushed


@pytest.mark.parametrize("name", ["LSTM", "GRU3"])
def test_x_without_a_gradient(name):
    p = problem(name)
    given = (p.variant, p.x, p.weights, p.initial, p.doutputs, p.dstates)
    every, some = native.gradients(*given), native.gradients(*given, of_x=False)
    assert set(every) - set(some) == {"x"}
    for key, value in some.items():
        np.testing.assert_array_equal(value, every[key])


def test_a_tape_of_another_batch_is_refused():
    p = problem("LSTM6")
    batch, time, features = p.x.shape
    cell = library.cell(CellSpec(p.variant), features, p.doutputs.shape[-1])
    tape = np.zeros(library.elements(cell, batch, time, "tape"), "float32")
    single = {"x": p.x, **p.weights}
    arrays = {k: a.astype("float32") for k, a in single.items()}
    with pytest.raises(InputError, match="tape was not made by a forward pass"):
        library.backward(cell, {**arrays, "tape": tape})


@pytest.mark.parametrize("name", ROWS)
def test_c_and_python_know_the_same_shapes(name):
    variant, sizes = ROWS[name], (3, 5, 4, 6)
    cell = library.cell(CellSpec(variant), 4, 6)
    wanted = shapes.of_sequence(variant, *sizes)
    wanted |= {f"d{k}": shape for k, shape in wanted.items() if "mask" not in k}
    assert set(wanted) < set(BUFFERS)
    for name in set(BUFFERS) - {"tape"}:
        count = math.prod(wanted[name]) if name in wanted else 0
        assert library.elements(cell, 3, 5, name) == count, name


def test_several_callers_at_once():
    p = problem("LSTM5", "one feature")
    expected = everything(p, native, **settings_of(p))
    found = []

    def call():
        found.extend(everything(p, native, **settings_of(p)) for _ in range(20))

    callers = [threading.Thread(target=call) for _ in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(found) == 160
    for result in found:
        for key, value in expected.items():
            np.testing.assert_array_equal(result[key], value)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_after_a_fork():
    script = """
import os
import numpy as np
from slimrnn import native
from slimrnn.variants import ACTIVATIONS, CellSpec, get
weights = {k: np.full(s, 0.1) for k, s in get("LSTM4").shapes(8, 64).items()}
x = np.ones((64, 40, 8))
before = native.run("LSTM4", x, weights).outputs
child = os.fork()
after = native.run("LSTM4", x, weights).outputs
assert (before == after).all()
if child == 0:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=600)


WRONG = {
    "x": ({"x": np.ones((2, 3))}, "x must be (batch, time, features)"),
    "no time": ({"x": np.ones((2, 0, 3))}, "none of them 0"),
    "weights": ({"weights": {}}, "weights must have a kernel"),
    "bias": ({"weights": {"kernel": np.ones((3, 2))}}, "LSTM6 has the weights kernel"),
    "state": ({"initial": {"h": np.ones((1, 2))}}, "initial h must have the shape"),
    "mask": ({"mask": np.ones(2)}, "mask must have the shape (2, 4)"),
    "no such state": (
        {"initial": {"z": 0}},
        "initial must be arrays by name, for LSTM6 h, c",
    ),
    "half a mask": ({"mask": np.full((2, 4), 0.5)}, "0 and 1; received 0.5"),
    "no mask": ({"mask": np.full((2, 4), np.nan)}, "0 and 1; received nan"),
    "dropout": ({"recurrent_mask": np.ones(2)}, "recurrent_mask must have the shape"),
    "activation": ({"activation": "gelu"}, "must be one of tanh, sigmoid"),
    "variant": ({"variant": "LSTM99"}, "LSTM99"),
}


@pytest.mark.parametrize("case", WRONG)
def test_mistakes_are_refused_in_a_sentence(case):
    given, sentence = WRONG[case]
    weights = {k: np.ones(s) for k, s in ROWS["LSTM6"].shapes(3, 2).items()}
    good = {"variant": "LSTM6", "x": np.ones((2, 4, 3)), "weights": weights}
    with pytest.raises(InputError) as error:
        native.run(**{**good, **given})
    assert sentence in str(error.value)


def test_a_state_that_there_is_not_has_no_gradient():
    p = problem("GRU3")
    given = (p.variant, p.x, p.weights, p.initial, p.doutputs)
    with pytest.raises(InputError, match="dstates must be arrays by name, for GRU3 h;"):
        native.gradients(*given, {**p.dstates, "c": p.dstates["h"]})


@pytest.mark.parametrize("count", [-1, 1.5, True, "2", 2**31, 2**32 + 1])
def test_a_wrong_number_of_threads_is_refused(count):
    with pytest.raises(InputError, match="must be a whole number from 0 to 2147483647"):
        native.set_num_threads(count)


def test_the_number_of_threads(threads):
    assert native.num_threads() == len(os.sched_getaffinity(0))
    threads(3)
    assert native.num_threads() == 3


def test_an_instruction_set_that_is_not_there_is_refused():
    assert native.isa() == native.isas()[0]
    with pytest.raises(InputError, match=r"must be one of .*; received 'mmx'"):
        native.use_isa("mmx")


def test_a_library_of_other_sources_is_not_used(monkeypatch):
    assert library._load()[1] == ""
    monkeypatch.setattr(library, "sources", lambda: "others")
    assert "other sources than those beside it; build it again" in library._load()[1]


def test_without_a_library_the_reason_is_reported(monkeypatch):
    monkeypatch.setattr(library, "find", lambda: (None, "there was no C compiler"))
    assert native.reason() == "there was no C compiler"
    with pytest.raises(InputError, match="cannot run: there was no C compiler"):
        native.num_threads()
