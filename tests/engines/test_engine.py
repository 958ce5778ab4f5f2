"""The engine against the oracle: each variant, size and mask, gradients too."""

import keras
import numpy as np
import pytest

from gradients import value_and_gradients
from layer_problems import FEW
from problems import ROWS, SIZES, WITHOUT_H, problem
from products import some
from slimrnn import SlimMGU, native, reference
from slimrnn.activations import FUNCTIONS, describe
from slimrnn.activations import OF_LAYERS as LAYER_FUNCTIONS
from slimrnn.engines import ENGINES, choose, ops
from slimrnn.engines.ops import function as on_tensor
from slimrnn.errors import InputError
from slimrnn.native import library
from slimrnn.variants import ACTIVATIONS, CellSpec, get
from slimrnn.variants.activations import OF_LAYERS

BACKEND = keras.backend.backend()
RUN = {engine.name: engine.run for engine in ENGINES}
if BACKEND not in native.BACKENDS:
    del RUN["native"]
# Compiled or not, torch computes one operation after the other.
WAYS = {"steps": False, **({} if BACKEND == "torch" else {"compiled": True})}
TOLERANCE = 1e-5  # relative to the largest element, float32
#: a tie's two numbers get the sum over all units and steps, of which much cancels
SUMMED = {"tie_scalars": 1e-4}


@pytest.fixture(params=RUN)
def engine(request):
    """Each engine that this backend has, by name."""
    return runnable(request.param)


def runnable(engine):
    if engine == "native" and library.find()[1]:
        pytest.skip(library.find()[1])
    return engine


def assert_close(found, expected, what, tolerance=TOLERANCE):
    assert found.shape == expected.shape, what
    scale = abs(expected).max(initial=1e-3)
    worst = abs(found - expected).max(initial=0) / scale
    assert worst <= tolerance, f"{what}: off by {worst:.1e}"


def tensor(array):
    return keras.ops.convert_to_tensor(array.astype("float32"))


def check(
    p,
    engine,
    activation="tanh",
    recurrent_activation="sigmoid",
    sequences=True,
    functions=FUNCTIONS,
    compiled=False,
):
    """Run the engine on a problem and compare everything that it gives."""
    used = (describe(functions[k]) for k in (activation, recurrent_activation))
    cell = CellSpec(p.variant, *used)
    doutputs = p.doutputs if sequences else np.zeros_like(p.doutputs)
    names = ["x", *p.weights, *(f"initial {k}" for k in p.initial)]
    arrays = [p.x, *p.weights.values(), *p.initial.values()]

    def function(*tensors):
        given = dict(zip(names, tensors, strict=True))
        outputs, states = RUN[engine](
            cell,
            given["x"],
            tuple(given[f"initial {k}"] for k in p.initial),
            {k: given[k] for k in p.weights},
            mask=None if p.mask is None else keras.ops.convert_to_tensor(p.mask),
            recurrent_mask=None
            if p.recurrent_mask is None
            else tensor(p.recurrent_mask),
            return_sequences=sequences,
        )
        d = [doutputs, *p.dstates.values()][not sequences :]
        given_out = [outputs, *states][not sequences :]
        terms = zip(given_out, d, strict=True)
        return sum(keras.ops.sum(o * tensor(g)) for o, g in terms), given_out

    found, gradients = value_and_gradients(
        function, [a.astype("float32") for a in arrays], compiled
    )
    settings = {
        "mask": p.mask,
        "recurrent_mask": p.recurrent_mask,
        "activation": activation,
        "recurrent_activation": recurrent_activation,
    }
    expected = reference.run(p.variant, p.x, p.weights, p.initial, **settings)
    wanted = [*([expected.outputs] if sequences else []), *expected.states.values()]
    for k, (a, b) in enumerate(zip(found, wanted, strict=True)):
        assert_close(a, b, f"output {k}")
    wanted = reference.gradients(
        p.variant, p.x, p.weights, p.initial, doutputs, p.dstates, **settings
    )
    for name, gradient in zip(names, gradients, strict=True):
        tolerance = SUMMED.get(name, TOLERANCE)
        assert_close(gradient, wanted[name], f"gradient of {name}", tolerance)


# Of the ops engine, which JAX compiles for seconds, each variant is computed at one
# size, one operation after the other, and a few compiled; of the native engine, at one
# size, since test_native.py has all of them. What an engine does around a step is
# seen in a few variants.
USUAL = {"ops": "steps", "native": list(WAYS)[-1]}
OTHER = {"ops": list(WAYS)[-1], "native": "steps"}
COMPILED = dict(zip(("LSTM3", *FEW, "LSTM6"), SIZES, strict=True))
SIZE_OF = {
    (name, engine): list(SIZES)[k % len(SIZES)] if engine == "native" else "plain"
    for k, name in enumerate(ROWS)
    for engine in RUN
}
EVERY = ROWS, WAYS, RUN


def by_default(name, way, engine):
    return way == USUAL[engine] and name in FEW


@pytest.mark.parametrize(
    ("name", "size", "engine"),
    some(lambda name, size, engine: size == SIZE_OF[name, engine], *(ROWS, SIZES, RUN)),
)
def test_sizes(name, size, engine):
    check(problem(name, size), runnable(engine), compiled=WAYS[USUAL[engine]])


@pytest.mark.parametrize(
    ("name", "engine"),
    some(
        lambda name, engine: engine == "ops" and name in COMPILED,
        *(ROWS, RUN if "compiled" in WAYS else ()),
    ),
)
def test_the_other_way(name, engine):
    p = problem(name, COMPILED.get(name, "plain"))
    check(p, runnable(engine), compiled=WAYS[OTHER[engine]])


@pytest.mark.parametrize(("name", "way", "engine"), some(by_default, *EVERY))
def test_last_output_only(name, way, engine):
    check(problem(name), runnable(engine), sequences=False, compiled=WAYS[way])


@pytest.mark.parametrize(
    ("name", "way", "engine"),
    some(
        lambda name, way, engine: (
            name in FEW
            or (BACKEND, way) == ("tensorflow", "steps")
            or (way, engine) == (USUAL["native"], "native")
        ),
        *EVERY,
    ),
)
def test_masks_and_recurrent_dropout(name, way, engine):
    p = problem(name, mask=True, dropout=True)
    check(p, runnable(engine), compiled=WAYS[way])


PAIRS = [
    ("sigmoid", "hard_sigmoid_keras2"),
    ("linear", "hard_sigmoid"),
    ("relu", "linear"),
]
IN_TURN = {name: PAIRS[k % len(PAIRS)] for k, name in enumerate(ROWS)}


@pytest.mark.parametrize(
    ("name", "engine", "activations"),
    some(
        lambda name, engine, pair: name in FEW and pair == IN_TURN[name],
        *(ROWS, RUN, PAIRS),
    ),
)
def test_activations(name, engine, activations):
    p = problem(name, scale=0.25)
    check(p, runnable(engine), *activations, compiled=WAYS[USUAL[engine]])


@pytest.mark.parametrize("name", ["LSTM4", "GRU1"])
def test_what_is_masked_does_not_count_even_if_it_is_nan(name, engine):
    p = problem(name, mask=True)
    clean, _ = _last(p, engine)
    p.x[~p.mask] = np.nan
    poisoned, gradients = _last(p, engine)
    np.testing.assert_array_equal(poisoned, clean)
    for gradient in gradients:
        assert np.isfinite(gradient).all()


def _last(p, engine):
    cell = CellSpec(p.variant)
    names = [*p.weights]

    def function(x, *weights):
        states = tuple(map(tensor, p.initial.values()))
        mask = keras.ops.convert_to_tensor(p.mask)
        given = dict(zip(names, weights, strict=True))
        _, new = RUN[engine](cell, x, states, given, mask=mask)
        return keras.ops.sum(new[0] ** 2), [new[0]]

    arrays = [a.astype("float32") for a in (p.x, *p.weights.values())]
    (h,), gradients = value_and_gradients(function, arrays, compiled=False)
    return h, gradients


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_activations_facts(name):
    """On tensors and in Keras what NumPy computes; slope, bounds and inverse fit."""
    fact, x = ACTIVATIONS[name], np.linspace(-4, 4, 200)
    y, step = fact.function(x), 1e-6
    given = keras.ops.convert_to_tensor(x.astype("float32"))
    for found in (on_tensor(fact, given), FUNCTIONS[name](given)):
        np.testing.assert_allclose(keras.ops.convert_to_numpy(found), y, atol=3e-7)
    derivative = (fact.function(x + step) - fact.function(x - step)) / (2 * step)
    np.testing.assert_allclose(fact.slope(y), derivative, atol=1e-8)
    slope = fact.slope(keras.ops.convert_to_tensor(y.astype("float32")), keras.ops)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(slope), derivative, atol=1e-6)
    assert fact.low <= y.min() <= y.max() <= fact.high
    inside = derivative > 0
    np.testing.assert_allclose(fact.inverse(y[inside]), x[inside], atol=1e-9)


@pytest.mark.parametrize("name", OF_LAYERS)
def test_the_facts_of_what_layers_have(name):
    """In Keras what NumPy computes; the bounds fit, and are reached."""
    fact, x = OF_LAYERS[name], np.linspace(-30, 30, 6001)
    y = fact.function(x)
    given = keras.ops.convert_to_tensor(x.astype("float32"))
    for found in (on_tensor(fact, given), LAYER_FUNCTIONS[name](given)):
        found = keras.ops.convert_to_numpy(found)
        np.testing.assert_allclose(found, y, 3e-7, atol=4e-6)
    assert fact.low <= y.min() < fact.low + 0.04
    assert y.max() <= fact.high
    assert y.max() > min(fact.high, 29) - 0.04


@pytest.mark.parametrize(
    "name", some(lambda x: x == "LSTM6", ("LSTM5", "LSTM6", "GRU1"))
)
def test_an_activation_without_a_known_slope_is_left_to_the_framework(name):
    # tanh under another name has to give the same gradients by that other way.
    def hidden(x):
        return keras.ops.tanh(x)

    assert describe(hidden).slope is None
    p = problem(name, mask=True, dropout=True)
    check(p, "ops", functions={**FUNCTIONS, "tanh": hidden})


def cell_of(activation=keras.activations.tanh):
    return CellSpec(ROWS["LSTM6"], describe(activation))


#: what keeps the native engine from running: settings, and what the reason says
OBSTACLES = {
    "backend": ({"backend": "tensorflow"}, "neither compiled by XLA nor saved"),
    "activation": ({"cell": cell_of(keras.activations.gelu)}, "activation gelu is not"),
    "dtype": ({"dtype": "float16"}, "in float32 and not in float16"),
    "device": ({"device": "cuda"}, "not on the CPU but on cuda"),
    "unroll": ({"unroll": True}, "a step at a time"),
}


@pytest.mark.parametrize("case", OBSTACLES)
def test_what_native_cannot_run_goes_to_ops_with_the_reason(case, monkeypatch):
    monkeypatch.setattr(library, "find", lambda: (object(), ""))
    settings, reason = OBSTACLES[case]
    settings = {"backend": "jax", "cell": cell_of(), **settings}
    chosen = choose("auto", **settings)
    assert chosen.engine.name == "ops"
    assert reason in chosen.reason
    with pytest.raises(InputError, match="engine='native' cannot run") as error:
        choose("native", **settings)
    assert reason in str(error.value)
    assert choose("ops", **settings).engine.name == "ops"


@pytest.mark.parametrize("backend", native.BACKENDS)
@pytest.mark.parametrize("requested", ["auto", "native"])
def test_native_runs_where_nothing_keeps_it(backend, requested, monkeypatch):
    monkeypatch.setattr(library, "find", lambda: (object(), ""))
    assert choose(requested, backend, cell_of()).engine.name == "native"
    monkeypatch.setattr(library, "find", lambda: (None, "there is no compiler"))
    assert "no compiler" in choose("auto", backend, cell_of()).reason


def test_an_engine_that_there_is_not_is_refused():
    with pytest.raises(InputError, match="one of auto, ops, native; received 'gpu'"):
        choose("gpu", "jax")


# Variants whose gates do not read h: all steps at once are what the loop computes.
ON_JAX = pytest.mark.skipif(BACKEND != "jax", reason="of JAX alone")


@ON_JAX
@pytest.mark.parametrize(
    ("name", "size", "sequences"),
    some(
        lambda name, size, sequences: size == "one feature" and sequences,
        WITHOUT_H,
        SIZES,
        (True, False),
    ),
)
def test_all_steps_at_once(name, size, sequences, monkeypatch):
    monkeypatch.setattr(ops, "at_once_pays", lambda *_: True)
    monkeypatch.setattr(ops, "_Sequence", None)  # there is no loop
    check(problem(WITHOUT_H[name], size), "ops", sequences=sequences)


def test_who_reads_h():
    assert "minGRU" in WITHOUT_H
    assert not any(CellSpec(row).reads_h for row in WITHOUT_H.values())


@pytest.mark.parametrize(
    ("name", "batch", "steps", "units", "pays"),
    [
        ("minGRU", 1, ops.LONG, ops.NARROW, True),
        ("minGRU", 2, ops.LONG, ops.NARROW, False),
        ("minGRU", 1, ops.LONG - 1, ops.NARROW, False),
        ("minGRU", None, None, ops.NARROW, False),
        ("minGRU", 1, object(), ops.NARROW, False),  # a symbol, which has no order
        ("JANET", 1, ops.LONG, ops.NARROW, False),
    ],
)
def test_where_it_pays(name, batch, steps, units, pays):
    class Shaped:
        def __init__(self, *shape):
            self.shape = shape

    found = ops.at_once_pays(
        CellSpec(get(name)), Shaped(batch, steps, 3), Shaped(batch, units)
    )
    assert found == (pays and BACKEND == "jax")


@ON_JAX
def test_a_layer_takes_it(monkeypatch):
    taken = []
    at_once = ops._at_once
    monkeypatch.setattr(ops, "_at_once", lambda *a: taken.append(1) or at_once(*a))
    x = np.random.default_rng(1).normal(size=(2, ops.LONG + 3, 2)).astype("float32")
    layer = SlimMGU(5, "minGRU", engine="ops")
    answers = np.asarray(layer(x))
    assert taken
    monkeypatch.setattr(ops, "at_once_pays", lambda *_: False)
    np.testing.assert_allclose(np.asarray(layer(x)), answers, 1e-4, 1e-6)
