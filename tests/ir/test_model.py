"""The IR's dataclasses: equal by value, frozen, and none that cannot be."""

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from ir_models import affine, cell, conv1d, dense, embedding, masking, recurrent
from slimrnn.errors import InputError
from slimrnn.ir.layers import Activation, Bidirectional, Repeat
from slimrnn.ir.model import Model
from slimrnn.ir.weights import RecurrentWeights
from slimrnn.variants import ACTIVATIONS, CellSpec, get
from slimrnn.variants.activations import Activation as Function

pytestmark = pytest.mark.backend_free


def bidirectional(forward, backward, merge="concat"):
    return Bidirectional("pair", forward, backward, merge)


def chain(*layers, **others):
    return Model("small", layers, **others)


def test_models_are_equal_number_by_number():
    one, other = (chain(affine(3), recurrent(3, 4), dense(4, 2)) for _ in range(2))
    assert one == other
    changed = other.layers[-1].kernel.copy()
    changed[0, 0] += 1
    *firsts, last = other.layers
    assert one != chain(*firsts, replace(last, kernel=changed))
    assert one != chain(*firsts, replace(last, activation="relu"))
    assert one != chain(*firsts, replace(last, bias=None))
    assert one != replace(one, steps=7)
    assert one != chain(*firsts)
    assert one.layers[0] != "affine"


def test_nothing_is_written_to():
    given = np.ones((3, 2), "float32")
    layer = replace(dense(3, 2), kernel=given)
    given[0, 0] = 5
    assert layer.kernel[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        layer.kernel[0, 0] = 5
    with pytest.raises(FrozenInstanceError):
        layer.name = "another"


def with_weight(name, value, variant="LSTM6"):
    known = cell(variant, 3, 4)
    return RecurrentWeights(known.spec, {**known.weights, name: value})


def with_functions(**functions):
    known = cell("LSTM6", 3, 4)
    return RecurrentWeights(CellSpec(get("LSTM6"), **functions), known.weights)


FULL = np.full((3, 2), np.inf, "float32")
REFUSED = {
    "another type": (
        lambda: replace(dense(3, 2), kernel=np.ones((3, 2))),
        r"head \(Dense\) must have kernel in float32 .*\(any, any\); received float64",
    ),
    "no array": (lambda: replace(dense(3, 2), kernel=[[1.0]]), "received list"),
    "another rank": (
        lambda: replace(dense(3, 2), kernel=np.ones(3, "f4")),
        r"received float32 \(3,\)",
    ),
    "no numbers": (
        lambda: replace(dense(3, 2), kernel=np.ones((0, 2), "f4")),
        r"received float32 \(0, 2\)",
    ),
    "another length": (
        lambda: replace(dense(3, 2), bias=np.ones(3, "f4")),
        r"bias in float32 of the shape \(2\); received float32 \(3,\)",
    ),
    "an infinite number": (lambda: replace(dense(3, 2), kernel=FULL), "not finite"),
    "an activation": (lambda: replace(dense(3, 2), activation="gel"), "gel; allowed"),
    "an activation alone": (lambda: Activation("f", 3, "gel"), "gel; allowed: tanh"),
    "no width": (lambda: Activation("f", 0, "tanh"), "1 or more; received 0"),
    "a masked value": (lambda: masking(3, value=1e39), "not finite"),
    "one of two affine arrays": (
        lambda: replace(affine(3), offset=np.ones(2, "f4")),
        "must have offset",
    ),
    "a weight too many": (
        lambda: with_weight("recurrent_vector", np.ones(4, "f4")),
        "the weights kernel, recurrent_kernel, bias; received",
    ),
    "a weight of another shape": (
        lambda: with_weight("bias", np.ones(5, "f4")),
        r"The cell of LSTM6 must have bias .*\(4\); received float32 \(5,\)",
    ),
    "a kernel too narrow": (
        lambda: with_weight("kernel", np.ones((3, 3), "f4"), "LSTM"),
        "must have kernel",
    ),
    "a constant beyond float32": (
        lambda: replace(
            cell("LSTM6", 3, 4), spec=CellSpec(get("LSTM6").with_constants({"f": 1e39}))
        ),
        "not finite",
    ),
    "softmax in a cell": (
        lambda: with_functions(activation=Function("softmax", lambda x: x)),
        "softmax; allowed: tanh",
    ),
    "zeros of no mask": (
        lambda: recurrent(3, 4, zero_masked=True),
        "zero_masked=True; allowed only with masked=True",
    ),
    "two that go forwards": (
        lambda: bidirectional(recurrent(3, 4), recurrent(3, 4)),
        "go_backwards=False and False",
    ),
    "two that do not fit": (
        lambda: bidirectional(recurrent(3, 4), recurrent(2, 4, go_backwards=True)),
        "do not fit together",
    ),
    "two of unlike units to be added": (
        lambda: bidirectional(
            recurrent(3, 4), recurrent(3, 5, go_backwards=True), "sum"
        ),
        "do not fit together",
    ),
    "a merge": (
        lambda: bidirectional(
            recurrent(3, 4), recurrent(3, 4, go_backwards=True), None
        ),
        "merge_mode None; allowed: concat, sum, mul, ave",
    ),
    "no layer": (chain, "has no layer that computes"),
    "no steps": (lambda: chain(recurrent(3, 4), steps=0), "1 or more; received 0"),
    "sizes that do not fit": (
        lambda: chain(recurrent(3, 4), dense(5, 2)),
        r"head \(Dense\) takes 5 numbers; received 4 from cell \(Recurrent\)",
    ),
    "no sequence": (
        lambda: chain(recurrent(3, 4), recurrent(4, 4)),
        "gets no sequence; set return_sequences=True",
    ),
    "nothing to flatten": (
        lambda: chain(recurrent(3, 4), flatten=True),
        "no output for each step to flatten",
    ),
    "an Embedding behind": (
        lambda: chain(dense(3, 4), embedding(6, 2)),
        "must be the first layer",
    ),
    "two masks": (lambda: chain(masking(3), masking(3)), "once"),
    "a mask behind words": (
        lambda: chain(embedding(6, 3), masking(3)),
        "not after an Embedding",
    ),
    "a mask behind a cell": (
        lambda: chain(recurrent(3, 4, return_sequences=True), masking(4)),
        "before the recurrent layers",
    ),
    "repeated too often": (
        lambda: chain(recurrent(3, 4), Repeat("r", 4, 1 << 17)),
        r"times of r \(Repeat\) must be a whole number from 1 to 16384",
    ),
    "repeated too seldom": (
        lambda: chain(recurrent(3, 4), Repeat("r", 4, 2), conv1d(4, 2, 3, before=0)),
        r"none comes out of conv \(Conv1D\); allowed is one that repeats more often",
    ),
    "a sequence repeated": (
        lambda: chain(recurrent(3, 4, return_sequences=True), Repeat("r", 4, 2)),
        r"r \(Repeat\) gets a sequence; allowed is one output for all steps",
    ),
    "a mask behind a Repeat": (
        lambda: chain(
            masking(3),
            recurrent(3, 4, masked=True),
            Repeat("r", 4, 2),
            recurrent(4, 4, masked=True),
        ),
        "no layer before it makes a mask",
    ),
    "a mask that is not there": (
        lambda: chain(recurrent(3, 4, masked=True)),
        "no layer before it makes a mask",
    ),
    "a mask that does not arrive": (
        lambda: chain(masking(3), recurrent(3, 4)),
        "does not reach the layer cell",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be(what):
    make, sentence = REFUSED[what]
    with pytest.raises(InputError, match=sentence):
        make()


def test_what_a_model_says_of_itself():
    model = chain(
        embedding(6, 3, mask_zero=True),
        recurrent(3, 4, return_sequences=True, masked=True),
        bidirectional(
            recurrent(4, 2, masked=True),
            recurrent(4, 5, masked=True, go_backwards=True),
        ),
        dense(7, 2, activation="softmax"),
    )
    assert (model.inputs, model.outputs, model.takes_indices) == (1, 2, True)
    assert model.masked
    assert model.ends_in_softmax
    assert not model.return_sequences
    assert len([*model.recurrent()]) == 3
    assert "pair is Bidirectional" in model.why_no_stream()
    assert {str(layer) for layer in model.layers} == {
        *("words (Embedding)", "cell (Recurrent)", "pair (Bidirectional)"),
        "head (Dense)",
    }


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation_of_a_cell(name):
    assert with_functions(activation=ACTIVATIONS[name]).spec.activation.name == name
