"""A model of the IR in Keras, and back: the same model, number by number."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ir_models import (
    affine,
    cell,
    conv1d,
    dense,
    embedding,
    masking,
    normal,
    normalization,
)
from problems import ROWS
from slimrnn.errors import InputError
from slimrnn.ir.from_keras import from_keras
from slimrnn.ir.layers import ACTIVATIONS as FUNCTIONS
from slimrnn.ir.layers import (
    MERGES,
    Activation,
    Bidirectional,
    Embedding,
    LocalPool,
    Pool,
    PReLU,
    Recurrent,
    Repeat,
    Skip,
)
from slimrnn.ir.model import Model
from slimrnn.ir.to_keras import to_keras
from slimrnn.variants import ACTIVATIONS

BIASED = [row for row in ROWS.values() if all(g.terms != ("bias",) for g in row.gates)]
WIDTHS = st.integers(1, 3)
FUNCTION = st.sampled_from(sorted({*FUNCTIONS} - {"linear"}))


@st.composite
def cells(draw, features, units):
    """The weights of any variant, of its own constants."""
    functions = st.sampled_from([*ACTIVATIONS.values()])
    spec = {k: draw(functions) for k in ("activation", "recurrent_activation")}
    if draw(st.booleans()):
        variant = draw(st.sampled_from(BIASED)).without_bias()
    else:
        variant = draw(st.sampled_from([*ROWS.values()]))
    variant = variant.with_constants(dict.fromkeys(variant.constants, 0.25))
    return cell(variant, features, units, **spec)


@st.composite
def recurrent_layers(draw, name, features, sequences, masked):
    """A recurrent layer, one or both ways."""

    def direction(units, backwards, zeros, end=""):
        known = draw(cells(features, units))
        return Recurrent(name + end, known, sequences, backwards, masked, zeros)

    units, backwards, zeros, both = draw(WIDTHS), *draw(st.tuples(*[st.booleans()] * 3))
    if not both:
        return direction(units, backwards, zeros and masked)
    merge = draw(st.sampled_from(MERGES))
    pair = (
        direction(units, False, masked and zeros),
        direction(units, True, masked and zeros, " back"),
    )
    return Bidirectional(name, *pair, merge)


@st.composite
def convolutions(draw, width, name):
    """A Conv1D, causal or not."""
    taps, groups = draw(WIDTHS), draw(st.sampled_from([1, width]))
    steps = draw(st.sampled_from(["strides", "dilation"]))
    settings = {steps: draw(WIDTHS), "groups": groups, "bias": draw(st.booleans())}
    span = (taps - 1) * settings.get("dilation", 1) + 1
    zeros = draw(st.sampled_from([(span - 1, 0), (0, 0), (span // 2, (span - 1) // 2)]))
    settings |= dict(zip(("before", "after"), zeros, strict=True))
    return conv1d(width, groups * draw(WIDTHS), taps, name, **settings)


@st.composite
def models(draw):
    """Chains of all kinds of layers."""
    width, masked, layers = draw(WIDTHS), draw(st.booleans()), []
    if draw(st.booleans()):
        layers.append(embedding(4, width, masked))
    else:
        fronts = [affine(width), dense(width, width, "relu", "first")]
        layers += [layer for layer in fronts if draw(st.booleans())]
        layers += [masking(width)] if masked else []
    if not masked and draw(st.booleans()):
        layers.append(draw(convolutions(width, "conv")))
        width = layers[-1].outputs
        how = draw(st.sampled_from(["", "average", "max"]))
        if how:
            layers.append(LocalPool("local", width, how, draw(WIDTHS), draw(WIDTHS)))
    if draw(st.booleans()):
        layers.append(normalization(width))
    count, last = draw(st.integers(0, 2)), draw(st.booleans())
    for k in range(count):
        sequences = last or k < count - 1
        layers.append(draw(recurrent_layers(f"r{k}", width, sequences, masked)))
        width = layers[-1].outputs
    pools = ["average"] if masked else ["average", "max", "last"]
    how = draw(st.sampled_from(["", *pools]))
    if how and count and last and not isinstance(layers[-1], Recurrent):
        layers.append(Pool("pool", width, how))
        last = False
    if count and not last and draw(st.booleans()):
        layers.append(Repeat("many", width, draw(WIDTHS)))
        last = True
        if draw(st.booleans()):
            layers.append(draw(recurrent_layers("decoder", width, last, False)))
            width = layers[-1].outputs
    if draw(st.booleans()):
        slopes = draw(st.sampled_from([np.full(width, 0.5, "f4"), normal(width)]))
        layers.append(PReLU("slopes", slopes))
    if draw(st.booleans()) or not layers:
        layers.append(Activation("function", width, draw(FUNCTION)))
    if draw(st.booleans()):
        layers.append(
            dense(width, draw(WIDTHS), draw(FUNCTION), bias=draw(st.booleans()))
        )
    width = layers[-1].outputs
    behind = not masked and (last or not count) and layers[0].inputs >= width
    behind = behind and all(layer.gives_each for layer in layers)
    if behind and not isinstance(layers[0], Embedding) and draw(st.booleans()):
        scale = draw(st.sampled_from([np.ones(width, "f4"), normal(width)]))
        layers.append(Skip("skip", scale))
    steps, flatten = draw(st.none() | st.integers(9, 11)), draw(st.booleans())
    return Model("small", layers, steps, flatten and (last or not count))


@pytest.mark.filterwarnings("ignore:Layer .flatten")
@settings(max_examples=40, deadline=None, derandomize=True)
@given(models())
def test_there_and_back(model):
    assert from_keras(to_keras(model)) == model


def test_a_file_has_it_all(tmp_path):
    """Saved by Keras and read again, arrays of a Rescaling too."""
    layers = (
        affine(3),
        masking(3),
        Recurrent("r", cell("LSTM4a", 3, 4), masked=True, zero_masked=True),
        dense(4, 2, "softmax"),
    )
    model = Model("small", layers, steps=5)
    to_keras(model).save(tmp_path / "small.keras")
    assert from_keras(keras.saving.load_model(tmp_path / "small.keras")) == model


@pytest.mark.parametrize("steps", [None, 5, 6])
def test_what_stands_around_a_local_pool(steps):
    """Keras has it for one number of steps and not for the next."""
    layers = [LocalPool("p", 3, "max", 3, 2, 1, 1), Recurrent("r", cell("LSTM6", 3, 4))]
    model = Model("small", layers, steps)
    if steps == 5:
        assert from_keras(to_keras(model)) == model
        return
    with pytest.raises(InputError, match="1 steps of nothing before a sequence"):
        to_keras(model)


def test_initial_states_are_left_out_when_asked_for():
    states = {"h": np.ones(4, "f4"), "c": np.ones(4, "f4")}
    model = Model("small", [Recurrent("r", cell("LSTM6", 3, 4), initial=states)])
    with pytest.raises(InputError, match="has initial states of its own"):
        to_keras(model)
    assert from_keras(to_keras(model.from_zeros())) == model.from_zeros() != model
