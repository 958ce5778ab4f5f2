"""The oracle against central differences, and against what is known in closed form."""

import numpy as np
import pytest

from problems import ROWS, problem
from products import each_once
from slimrnn import reference
from slimrnn.variants import CANDIDATE, Gate, Variant, get

pytestmark = pytest.mark.backend_free


def loss(p, **changed):
    """The scalar whose gradients :func:`reference.gradients` gives."""
    inputs = {"x": p.x, "weights": p.weights, "initial": p.initial, **changed}
    settings = inputs.pop("settings")
    result = reference.run(
        p.variant, inputs["x"], inputs["weights"], inputs["initial"], **settings
    )
    total = (result.outputs * p.doutputs).sum()
    return total + sum((result.states[k] * d).sum() for k, d in p.dstates.items())


def central_difference(function, array, step=1e-6):
    """The gradient of a scalar function, element by element."""
    gradient = np.zeros_like(array)
    for index in np.ndindex(array.shape):
        up, down = array.copy(), array.copy()
        up[index] += step
        down[index] -= step
        gradient[index] = (function(up) - function(down)) / (2 * step)
    return gradient


#: mask, dropout, activation, recurrent activation
SETTINGS = [
    (False, False, "tanh", "sigmoid"),
    (True, True, "tanh", "sigmoid"),
    (False, False, "sigmoid", "hard_sigmoid_keras2"),
    (False, False, "linear", "hard_sigmoid"),
    (False, False, "relu", "tanh"),
]


@pytest.mark.parametrize(("name", "settings"), each_once(ROWS, SETTINGS))
def test_gradients_are_central_differences(name, settings):
    mask, dropout, activation, recurrent_activation = settings
    p = problem(name, "plain", mask, dropout, seed=1)
    settings = {
        "mask": p.mask,
        "recurrent_mask": p.recurrent_mask,
        "activation": activation,
        "recurrent_activation": recurrent_activation,
    }
    found = reference.gradients(
        p.variant, p.x, p.weights, p.initial, p.doutputs, p.dstates, **settings
    )
    expected = {"x": central_difference(lambda a: loss(p, x=a, settings=settings), p.x)}
    for key, weight in p.weights.items():
        expected[key] = central_difference(
            lambda a, key=key: loss(
                p, weights={**p.weights, key: a}, settings=settings
            ),
            weight,
        )
    for key, state in p.initial.items():
        expected[f"initial {key}"] = central_difference(
            lambda a, key=key: loss(
                p, initial={**p.initial, key: a}, settings=settings
            ),
            state,
        )
    assert set(found) == set(expected)
    for key, gradient in expected.items():
        scale = max(1, abs(gradient).max())
        np.testing.assert_allclose(found[key], gradient, atol=2e-8 * scale, err_msg=key)


def test_a_masked_step_repeats_the_step_before():
    p = problem("LSTM4", "one feature", mask=True)
    result = reference.run("LSTM4", p.x, p.weights, p.initial, mask=p.mask)
    before = np.concatenate([p.initial["h"][:, None], result.outputs[:, :-1]], 1)
    masked = ~p.mask.astype(bool)
    np.testing.assert_array_equal(result.outputs[masked], before[masked])


def pairs():
    """Identities between rows: (row, weights) on each side."""
    rng = np.random.default_rng(3)
    m, n = 3, 5
    normal = lambda *shape: rng.normal(size=shape)  # noqa: E731
    kernel, matrix, vector, bias = normal(m, n), normal(n, n), normal(n), normal(4 * n)
    of_c = bias[2 * n : 3 * n]
    u = normal(3, n)
    diagonal = [np.diag(row) for row in u]
    wide = np.concatenate([*diagonal[:2], matrix, diagonal[2]], 1)
    static = {"kernel": kernel, "recurrent_kernel": matrix, "bias": bias}
    light = {**static, "recurrent_vector": u.ravel()}
    bare = {"kernel": kernel, "bias": of_c}
    yield (
        "LSTM5 with u=0 is LSTM3",
        ("LSTM5", {**light, "recurrent_vector": np.zeros(3 * n)}),
        ("LSTM3", static),
    )
    yield (
        "LSTM2 with a diagonal U is LSTM4",
        ("LSTM2", {**bare, "recurrent_kernel": wide}),
        ("LSTM4", {**light, "bias": of_c}),
    )
    yield (
        "LSTM1 with a diagonal U is LSTM5",
        ("LSTM1", {**static, "recurrent_kernel": wide}),
        ("LSTM5", light),
    )
    yield (
        "LSTM6 with a diagonal U is LSTM_C6",
        ("LSTM6", {**bare, "recurrent_kernel": np.diag(vector)}),
        ("LSTM_C6", {**bare, "recurrent_vector": vector}),
    )


@pytest.mark.parametrize(
    ("left", "right"), [p[1:] for p in pairs()], ids=[p[0] for p in pairs()]
)
def test_identities_between_rows(left, right):
    x = np.random.default_rng(4).normal(size=(2, 7, 3))
    one, other = (
        reference.run(name, x, weights).outputs for name, weights in (left, right)
    )
    np.testing.assert_allclose(one, other, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "term"), [("LSTM6", "recurrent_kernel"), ("LSTM_C6", "recurrent_vector")]
)
def test_without_forgetting_lstm6_is_a_simple_rnn(name, term):
    # f = 0 and a linear output activation; here the cell input is linear too.
    p = problem(name)
    row = get(name).with_constants({"f": 0.0})
    found = reference.run(row, p.x, p.weights, activation="linear").outputs
    h = np.zeros_like(found[:, 0])
    for t in range(p.x.shape[1]):
        recurrent = (
            h @ p.weights[term] if term == "recurrent_kernel" else h * p.weights[term]
        )
        h = p.x[:, t] @ p.weights["kernel"] + recurrent + p.weights["bias"]
        np.testing.assert_allclose(found[:, t], h, atol=1e-12)


def test_a_row_by_hand():
    # One unit, one feature, two steps of LSTM4a, written out.
    s = lambda a: 1 / (1 + np.exp(-a))  # noqa: E731
    w, u_c, u_i, b = 0.5, -0.3, 0.7, 0.1
    weights = {
        "kernel": np.array([[w]]),
        "recurrent_kernel": np.array([[u_c]]),
        "recurrent_vector": np.array([u_i]),
        "bias": np.array([b]),
    }
    c1 = s(0) * np.tanh(w * 2 + b)
    h1 = np.tanh(c1)
    c2 = 0.96 * c1 + s(u_i * h1) * np.tanh(w * -1 + u_c * h1 + b)
    found = reference.run("LSTM4a", np.array([[[2.0], [-1.0]]]), weights)
    np.testing.assert_allclose(found.outputs.ravel(), [h1, np.tanh(c2)], rtol=1e-14)
    np.testing.assert_allclose(found.states["c"].ravel(), [c2], rtol=1e-14)


def test_the_gru_of_the_papers_is_the_mirror_of_keras():
    # z weighs the old h here and the candidate in the papers: negate its weights.
    p = problem("GRU")
    n = p.doutputs.shape[-1]
    sign = np.concatenate([-np.ones(n), np.ones(2 * n)])
    mirrored = {k: w * sign for k, w in p.weights.items()}
    found = reference.run("GRU", p.x, mirrored).outputs
    blocks = get("GRU").split(p.weights)
    s = lambda a: 1 / (1 + np.exp(-a))  # noqa: E731
    pre = lambda k, x, h: (  # noqa: E731
        x @ blocks[k]["kernel"] + h @ blocks[k]["recurrent_kernel"] + blocks[k]["bias"]
    )
    h = np.zeros((len(p.x), n))
    for t in range(p.x.shape[1]):
        x = p.x[:, t]
        z, r = s(pre("z", x, h)), s(pre("r", x, h))
        h = (1 - z) * h + z * np.tanh(pre(CANDIDATE, x, r * h))
        np.testing.assert_allclose(found[:, t], h, atol=1e-12)


def test_the_mgu_has_one_gate_for_both():
    # A GRU whose r and 1 - z are the MGU's f computes the same.
    p = problem("MGU")
    blocks = get("MGU").split(p.weights)
    gru = Variant("Tied", "gru", dict.fromkeys("zrc", Gate("full", "full", True)))
    weights = {
        k: np.concatenate([-blocks["f"][k], blocks["f"][k], blocks["c"][k]], -1)
        for k in p.weights
    }
    one = reference.run("MGU", p.x, p.weights).outputs
    np.testing.assert_allclose(
        reference.run(gru, p.x, weights).outputs, one, atol=1e-12
    )
