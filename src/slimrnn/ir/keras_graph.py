"""The layers of a model that is a chain, in order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras

from slimrnn.errors import InputError

#: the operations that a functional model holds for a mask
_MASK_OPERATIONS = ("NotEqual", "Any")


def layers_of(model: Any) -> Iterator[keras.layers.Layer]:
    """The layers of a model, in order; models inside it are opened.

    Raises:
        InputError: no layer and no model, a model with branches, an operation that is
            not a layer.
    """
    if not isinstance(model, keras.layers.Layer):
        raise InputError(
            f"Give a Keras layer, a keras.Sequential or a functional model that is a "
            f"chain; received {type(model).__name__}."
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
    masks = [entry for entry in entries if entry["class_name"] in _MASK_OPERATIONS]
    chain = [entry for entry in entries if entry not in masks]
    known = {layer.name: layer for layer in model.layers}
    if not _is_chain(chain, masks, config) or not _are_of_layers(masks, chain, known):
        raise InputError(
            f"The model {model.name} is not a chain of layers, each fed by the one "
            f"before alone; make a keras.Sequential of its layers."
        )
    for entry in chain:
        if entry["name"] not in known:
            raise InputError(
                f"The model {model.name} has the operation {entry['name']}, which is "
                f"not a layer; make a keras.Sequential of its layers."
            )
    return [known[entry["name"]] for entry in chain]


def _is_chain(chain: list[dict], masks: list[dict], config: dict) -> bool:
    """Whether each layer is fed by the one before, and else only by a mask."""
    before: list[list] = []
    others: list[list] = [[], *([_output(mask)] for mask in masks)]
    for entry in chain:
        if _fed(entry, "args") != before or _fed(entry, "kwargs") not in others:
            return False
        if not all(map(_is_plain, entry["inbound_nodes"])):
            return False
        before = [_output(entry)]
    outputs = config.get("output_layers")
    return bool(chain) and outputs in (before, before[0])


def _is_plain(node: dict) -> bool:
    """Whether a layer is called without constants, such as an initial state."""
    given = [*node["args"][1:], *node["kwargs"].values()]
    return all(value in (None, False) or any(_outputs_in(value)) for value in given)


def _are_of_layers(masks: list[dict], chain: list[dict], known: dict) -> bool:
    """Whether these are the masks that the layers of the chain make."""
    made = []  # what NotEqual is called with, for each layer that makes a mask
    for entry in chain:
        value = _masked_value(known.get(entry["name"]))
        if value is not None:
            made.append((_fed(entry, "args"), value))
    compared = [mask for mask in masks if mask["class_name"] == "NotEqual"]
    whole = [[_output(mask)] for mask in compared]
    return all(
        (_fed(mask, "args"), mask["inbound_nodes"][0]["args"][-1]) in made
        if mask in compared
        else _fed(mask, "args") in whole and mask["config"].get("axis") == -1
        for mask in masks
    )


def _masked_value(layer: Any) -> float | None:
    """The input that a layer masks; None where it makes no mask."""
    if isinstance(layer, keras.layers.Masking):
        return layer.mask_value
    return 0 if getattr(layer, "mask_zero", False) else None


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
