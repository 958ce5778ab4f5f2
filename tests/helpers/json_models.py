"""Small models as the JSON of audio plug-ins has them, and others with a JSON head."""

import json

import numpy as np

from h5_files import WEIGHTS
from ir_models import normal


def state_dict():
    return {
        "rnn.weight_ih_l0": normal(16, 3),
        "rnn.weight_hh_l0": normal(16, 4),
        "fc.weight": normal(2, 4),
        "fc.bias": normal(2),
    }


def listed(*arrays):
    return [array.tolist() for array in arrays]


def rtneural():
    lstm = {"type": "lstm", "activation": "", "shape": [None, None, 4]}
    return {
        "in_shape": [None, None, 3],
        "layers": [{**lstm, "weights": listed(*WEIGHTS)}],
    }


def aida_x():
    model, sound = rtneural(), normal(8, 3).tolist()
    dense = {"type": "dense", "activation": "", "shape": [None, None, 2]}
    dense["weights"] = listed(normal(4, 2), normal(2))
    gains = {"in_skip": 1, "in_gain": -3.0, "out_gain": 6.0, "input_batch": sound}
    about = {"name": "m", "samplerate": "48000"}
    return {**model, **gains, "layers": [*model["layers"], dense], "metadata": about}


def guitarml():
    names = {"rnn": "rec", "fc": "lin"}
    state = {
        f"{names[key.split('.')[0]]}.{key.split('.')[1]}": array.tolist()
        for key, array in state_dict().items()
    }
    return {"model_data": {"unit_type": "LSTM", "skip": 2}, "state_dict": state}


def nam():
    config = {"input_size": 1, "hidden_size": 2, "num_layers": 1}
    weights = normal(8 * 3 + 8 + 4 + 3).tolist()
    return {"architecture": "LSTM", "config": config, "weights": weights}


def safetensors(path, tensors=None):
    """A file of that format, whose head is JSON."""
    names = {"float32": "F32", "int64": "I64"}
    about, content = {}, b""
    for name, array in sorted((state_dict() if tensors is None else tensors).items()):
        end = len(content) + array.nbytes
        about[name] = {
            "dtype": names[str(array.dtype)],
            "shape": array.shape,
            "data_offsets": [len(content), end],
        }
        content += np.ascontiguousarray(array).tobytes()
    head = json.dumps(about).encode()
    path.write_bytes(len(head).to_bytes(8, "little") + head + content)
    return path
