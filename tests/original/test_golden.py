"""slim22 against what the original computed: tests/golden/README.md says how."""

import functools

import keras
import numpy as np
import pytest

from gradients import value_and_gradients
from original import (
    CASES,
    GOLDEN,
    INDEX,
    WEIGHTS,
    assert_close,
    golden,
    layer_of,
    network,
)
from products import each_once, some
from slim22 import MODELS

#: rows that train by default: full gates, light ones, constant ones, one of its own
FEW = ("LSTM", "LSTM5", "LSTM6", "LSTM10")
KINDS = sorted({name.partition("-")[2] for name in CASES})
#: by default each model and each kind of case once
cases = pytest.mark.parametrize(("model", "kind"), each_once(MODELS, KINDS))


@functools.cache
def computed(name):
    """The case's arrays, and what we compute in their place."""
    case = golden(name)
    layer = layer_of(name)
    layer.build(case["x"].shape)
    inputs = [k for k in ("x", "h0", "c0") if k in case]
    mask = np.any(case["x"] != 0, -1) if INDEX[name]["mask"] else None

    def function(*tensors):
        given = dict(zip(inputs, tensors, strict=False))
        states = [given[k] for k in ("h0", "c0") if k in given]
        outputs, _ = layer.stateless_call(
            tensors[len(inputs) :],
            [v.value for v in layer.non_trainable_variables],
            given["x"],
            initial_state=states or None,
            mask=None if mask is None else keras.ops.convert_to_tensor(mask),
        )
        wout = keras.ops.convert_to_tensor(case["wout"])
        return keras.ops.sum(outputs[0] * wout), outputs

    names = [*inputs, *(f"weight_{w}" for w in WEIGHTS)]
    compiled = keras.backend.backend() == "jax"
    given = [case[k] for k in names]
    found, gradients = value_and_gradients(function, given, compiled)
    ours = dict(zip(("hs", "h", "c"), found, strict=True))
    for key, gradient in zip([*inputs, *WEIGHTS], gradients, strict=True):
        ours[f"grad_{key}"] = gradient
    return case, ours


def test_every_model_has_all_its_cases():
    assert len(KINDS) == 7
    wanted = {f"{model}-{kind}" for model in MODELS for kind in (*KINDS, "training")}
    assert set(INDEX) == wanted


@cases
def test_outputs_and_states(model, kind):
    name = f"{model}-{kind}"
    case, ours = computed(name)
    for key in ("hs", "h", "c"):
        assert_close(ours[key], case[key], name)


@cases
def test_gradients(model, kind):
    name = f"{model}-{kind}"
    case, ours = computed(name)
    names = [key for key in case if key.startswith("grad_")]
    assert len(names) == (6 if INDEX[name]["initial_state"] else 4)
    for key in names:
        scale = abs(case[key]).max()
        np.testing.assert_allclose(
            ours[key], case[key], rtol=0, atol=1e-4 * scale, err_msg=key
        )


@pytest.mark.parametrize("name", CASES)
def test_weights_have_the_originals_shapes_and_order(name):
    case, layer = golden(name), layer_of(name)
    layer.build(case["x"].shape)
    expected = [case[f"weight_{w}"] for w in WEIGHTS]
    assert [w.shape for w in layer.get_weights()] == [w.shape for w in expected]
    assert layer.count_params() == INDEX[name]["params"]
    layer.set_weights(expected)
    for ours, theirs in zip(layer.get_weights(), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("options", [{"unroll": True}, {"return_sequences": False}])
@pytest.mark.parametrize("model", MODELS)
def test_other_ways_to_the_last_output(model, options):
    name = f"{model}-tanh"
    case, layer = golden(name), layer_of(name, **options)
    layer.build(case["x"].shape)
    layer.set_weights([case[f"weight_{w}"] for w in WEIGHTS])
    outputs, h, c = map(keras.ops.convert_to_numpy, layer(case["x"]))
    wanted = case["h"] if outputs.ndim == 2 else case["hs"]
    for ours, theirs in ((outputs, wanted), (h, case["h"]), (c, case["c"])):
        assert_close(ours, theirs, name)


@functools.cache
def trained(model):
    """The case's arrays, the losses of its steps, and the predictions after them."""
    entry, case = INDEX[f"{model}-training"], golden(f"{model}-training")
    net = network(model, entry)
    net.layers[0].trainable = False
    net.compile(keras.optimizers.SGD(entry["lr"]), "binary_crossentropy")
    net.load_weights(GOLDEN / f"{model}-model.h5")
    n = entry["batch"]
    losses = [
        net.train_on_batch(case["X"][k * n :][:n], case["Y"][k * n :][:n])
        for k in range(entry["steps"])
    ]
    return case, np.array(losses, float), net.predict_on_batch(case["X"][:n])


@pytest.mark.parametrize("model", some(FEW.__contains__, MODELS))
def test_training_losses(model):
    case, losses, _ = trained(model)
    np.testing.assert_allclose(losses, case["losses"], rtol=0, atol=1e-4)


@pytest.mark.parametrize("model", some(FEW.__contains__, MODELS))
def test_predictions_after_training(model):
    case, _, predictions = trained(model)
    np.testing.assert_allclose(predictions, case["predict_after"], rtol=0, atol=1e-4)


@pytest.mark.parametrize("model", MODELS)
def test_weights_of_keras_2_load(model):
    name = f"{model}-training"
    case, net = golden(name), network(model, INDEX[name])
    net.load_weights(GOLDEN / f"{model}-model.h5")
    expected = [
        case["embedding"],
        *(case[f"weight_{w}"] for w in WEIGHTS),
        case["dense_kernel"],
        case["dense_bias"],
    ]
    for ours, theirs in zip(net.get_weights(), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)
