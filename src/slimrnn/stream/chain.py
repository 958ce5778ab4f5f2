"""The layers of a model that is a chain, in order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras

from slimrnn.errors import InputError


def layers_of(model: Any) -> Iterator[keras.layers.Layer]:
    """The layers of a model, in order; models inside it are opened."""
    if not isinstance(model, keras.layers.Layer):
        raise InputError(
            f"Stream takes a Keras layer, a keras.Sequential or a functional model "
            f"that is a chain; received {type(model).__name__}."
        )
    if isinstance(model, keras.Sequential):
        inside = model.layers
    elif isinstance(model, keras.Model):
        inside = _chain(model)
    else:
        yield model
        return
    for layer in inside:
        yield from layers_of(layer)


def _chain(model: keras.Model) -> list[keras.layers.Layer]:
    """The layers of a functional model, each fed by the one before alone."""
    try:
        config = model.get_config()
    except NotImplementedError:
        config = {}
    entries = config.get("layers", [])
    masks = [entry for entry in entries if entry["class_name"] == "NotEqual"]
    chain = [entry for entry in entries if entry not in masks]
    known = {layer.name: layer for layer in model.layers}
    if not _is_chain(chain, masks, config) or not _are_of_zeros(masks, chain, known):
        raise InputError(
            f"The model {model.name} is not a chain of layers, each fed by the one "
            f"before alone; stream a keras.Sequential of its layers."
        )
    for entry in chain:
        if entry["name"] not in known:
            raise InputError(
                f"A stream cannot have the operation {entry['name']}, which is not a "
                f"layer."
            )
    return [known[entry["name"]] for entry in chain]


def _is_chain(chain: list[dict], masks: list[dict], config: dict) -> bool:
    """Whether each layer is fed by the one before, and else only by a mask."""
    before: list[list] = []
    others: list[list] = [[], *([_output(mask)] for mask in masks)]
    for entry in chain:
        if _fed(entry, "args") != before or _fed(entry, "kwargs") not in others:
            return False
        before = [_output(entry)]
    outputs = config.get("output_layers")
    return bool(chain) and outputs in (before, before[0])


def _are_of_zeros(masks: list[dict], chain: list[dict], known: dict) -> bool:
    """Whether these are the masks that an Embedding's mask_zero makes."""
    if not masks:
        return True
    embedding = known.get(chain[1]["name"])
    fed = _fed(chain[1], "args")
    return getattr(embedding, "mask_zero", False) and all(
        _fed(mask, "args") == fed and mask["inbound_nodes"][0]["args"][-1] == 0
        for mask in masks
    )


def _output(entry: dict) -> list:
    """A layer's output in a functional model's configuration."""
    return [entry["name"], 0, 0]


def _fed(entry: dict, how: str) -> list[list]:
    """The outputs that a layer is called with."""
    return list(_outputs_in([node[how] for node in entry["inbound_nodes"]]))


def _outputs_in(tree: Any) -> Iterator[list]:
    if isinstance(tree, dict):
        if "keras_history" in tree:
            yield list(tree["keras_history"])
        tree = tree.values()
    elif not isinstance(tree, (list, tuple)):
        return
    for branch in tree:
        yield from _outputs_in(branch)
