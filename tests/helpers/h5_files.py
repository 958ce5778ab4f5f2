"""HDF5 files as all versions of Keras wrote them."""

import json

import h5py

from deploy_problems import normal

M, N = 3, 4


def saved(path, version, entries, weights, kind="Sequential", **more):
    """A file as Keras saved it; weights: by the layer's name, in order."""
    config = {"name": "m", "layers": entries, **more} if more else entries
    with h5py.File(path, "w") as file:
        if version:
            file.attrs["keras_version"] = version
        file.attrs["model_config"] = json.dumps({"class_name": kind, "config": config})
        group = file.create_group("model_weights")
        for name, arrays in weights.items():
            own = group.create_group(name)
            names = [f"{name}/w{k}:0" for k in range(len(arrays))]
            own.attrs["weight_names"] = [each.encode() for each in names]
            for each, array in zip(names, arrays, strict=True):
                own[each] = array
    return path


def entry(kind, name="a", **config):
    return {"class_name": kind, "config": {"name": name, **config}}


INPUT = {"batch_input_shape": [None, None, M]}


LSTM = entry("LSTM", units=N, **INPUT)
WEIGHTS = [normal(M, 4 * N), normal(N, 4 * N), normal(4 * N)]
