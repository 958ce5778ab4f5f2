"""The layers of a Keras model that is a chain, in order, from its configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from slimrnn.errors import InputError
from slimrnn.ir.described import LAST, Described, numbers

Array = np.ndarray
#: the operations that a functional model holds for a mask
_MASK_OPERATIONS = ("NotEqual", "Any")


@dataclass(frozen=True)
class Link:
    """A layer of a chain.

    Attributes:
        entry: of the configuration.
        adds: whether it adds the model's input to the output of the one before.
        scale: what the input is multiplied with before that; None for 1.
        columns: how many of its first numbers are taken; None for all.
    """

    entry: Mapping[str, Any]
    adds: bool = False
    scale: Array | None = None
    columns: int | None = None

    @property
    def name(self) -> str:
        """The layer's."""
        return self.entry["name"]

    @property
    def operation(self) -> Described | None:
        """What it is, where it is no layer: the sum, or ``x[:, -1]``."""
        if self.adds:
            settings = {"scale": self.scale, "columns": self.columns}
            return Described("Add", self.name, settings)
        return Described(LAST, self.name) if self.entry["class_name"] == LAST else None


def links(name: str, config: Mapping[str, Any]) -> list[Link]:
    """The layers of a functional model, each fed by the one before alone.

    An ``Add`` may be fed by the model's input too, or by its first columns, scaled.

    Raises:
        InputError: anything else.
    """
    entries = [_modern(entry) for entry in config.get("layers", [])]
    masks = [entry for entry in entries if entry["class_name"] in _MASK_OPERATIONS]
    rest = [entry for entry in entries if entry not in masks]
    outputs = config.get("output_layers")
    several = list(_places(outputs))
    if len(several) > 1:
        names = ", ".join(str(place[0]) for place in several)
        raise InputError(
            f"The model {name} has {len(several)} outputs ({names}); allowed is one: "
            f"give keras.Model(model.input, model.get_layer(NAME).output)."
        )
    found = _Walk(rest).back(outputs)
    known = [link.entry for link in found]
    cuts = [entry for entry in known if entry["class_name"] == LAST]
    found = [] if any(_cut(entry) not in _LAST_STEP for entry in cuts) else found
    known = [entry for entry in known if entry not in cuts]
    if not found or not _are_of_layers(masks, known) or not _are_plain(known, masks):
        raise InputError(
            f"The model {name} is not a chain of layers, each fed by the one before "
            f"alone; make a keras.Sequential of its layers."
        )
    return found


def _places(outputs: Any) -> Iterator[list]:
    """The outputs in a list or a dict of them, however deep."""
    if isinstance(outputs, Mapping):
        outputs = list(outputs.values())
    if isinstance(outputs, (list, tuple)) and outputs:
        if isinstance(outputs[0], str):
            yield list(outputs)
        else:
            for one in outputs:
                yield from _places(one)


Place = tuple  # of an output: a layer's name, and two numbers
#: what the model's input is multiplied with, and how many columns of it are kept
Side = tuple[Array | None, int | None]


class _Walk:
    """The way from the output back to the input."""

    def __init__(self, entries: list[dict]):
        self.made: dict[Place, dict] = {tuple(_output(e)): e for e in entries}
        self.used: set[Place] = set()

    def back(self, outputs: Any) -> list[Link]:
        """The links, first to last; none where they are no chain."""
        if outputs and not isinstance(outputs[0], str):
            outputs = outputs[0] if len(outputs) == 1 else None
        place, found = self._known(tuple(outputs)[:3]) if outputs else (), []
        while place in self.made and place not in self.used:
            entry, fed = self.made[place], self._fed(place)
            self.used.add(place)
            sides = [one for one in fed if self._side(one)]
            if entry["class_name"] == "Add" and len(fed) == 2 and sides:
                scale, columns = self._side(sides[0]) or (None, None)
                self._use(sides[0])
                found.append(Link(entry, True, scale, columns))
                fed.remove(sides[0])
            else:
                found.append(Link(entry))
            if len(fed) > 1:
                return []
            place = fed[0] if fed else ()
        return found[::-1] if self.used == {*self.made} and not place else []

    def _fed(self, place: Place) -> list[Place]:
        return [self._known(tuple(one)) for one in _fed(self.made[place], "args")]

    def _known(self, place: Place) -> Place:
        """That of a layer's output, where it is asked for its last h instead."""
        name, node, number = (*place, None, None, None)[:3]
        about = self.made.get((name, node, 0), {}).get("config", {})
        others = ("return_sequences", "zero_output_for_mask")
        is_output = about.get("return_state") and not any(map(about.get, others))
        return (name, node, 0) if is_output and number == 1 else place

    def _side(self, place: Place) -> Side | None:
        """What a way from the model's input does, if it only scales and cuts."""
        entry = self.made.get(place)
        if entry is None or entry["class_name"] == "InputLayer":
            return None if entry is None else (None, None)
        fed, read = self._fed(place), _SIDES.get(entry["class_name"])
        before = self._side(fed[0]) if read and len(fed) == 1 else None
        return read(entry, *before) if read and before else None

    def _use(self, place: Place) -> None:
        """Everything on a side's way but the input, which the chain begins with."""
        while self._fed(place):
            self.used.add(place)
            (place,) = self._fed(place)


def _scaled(entry: dict, scale: Array | None, columns: int | None) -> Side | None:
    offset = numbers(entry["name"], entry["config"].get("offset", 0))
    if scale is not None or offset.any():
        return None
    return numbers(entry["name"], entry["config"]["scale"]), columns


def _cut(entry: Mapping[str, Any]) -> Any:
    """What a GetItem takes of each axis."""
    return list(entry["inbound_nodes"][0]["args"][-1])


def _first(entry: dict, scale: Array | None, columns: int | None) -> Side | None:
    """``x[..., :k]``."""
    *axes, last = entry["inbound_nodes"][0]["args"][-1]
    whole = all(axis in _WHOLE for axis in axes) and last["class_name"] == "__slice__"
    start, stop, step = (last["config"].get(k) for k in ("start", "stop", "step"))
    fits = whole and not start and step in (None, 1) and stop and columns is None
    return (scale, stop) if fits and np.size(scale or 1) == 1 else None


#: all of an axis, in a configuration
_WHOLE = (
    {"class_name": "__ellipsis__", "config": {}},
    {"class_name": "__slice__", "config": dict.fromkeys(("start", "stop", "step"))},
)
#: ``x[:, -1]``, and as a user who thinks of the features writes it
_LAST_STEP = ([_WHOLE[1], -1], [_WHOLE[1], -1, _WHOLE[1]], [_WHOLE[0], -1, _WHOLE[1]])
_SIDES: dict[str, Callable[[dict, Array | None, int | None], Side | None]] = {
    "Rescaling": _scaled,
    "GetItem": _first,
}


def _modern(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry as Keras 3 has it: before, a node was a list of inputs."""
    nodes = []
    for node in entry.get("inbound_nodes", []):
        if not isinstance(node, Mapping):
            inputs = [node] if node and isinstance(node[0], str) else node
            kwargs = {k: v for one in inputs for k, v in dict(*one[3:4]).items()}
            args = [{"keras_history": list(one[:3])} for one in inputs]
            node = {"args": [args], "kwargs": kwargs}
        nodes.append(node)
    return {**entry, "inbound_nodes": nodes}


def _are_plain(chain: list, masks: list) -> bool:
    """Whether layers are called once, with nothing more than a mask."""
    others: list[list] = [[], *([_output(mask)] for mask in masks)]
    return all(
        _fed(entry, "kwargs") in others and all(map(_is_plain, entry["inbound_nodes"]))
        for entry in chain
    )


def _is_plain(node: dict) -> bool:
    """Whether a layer is called without constants, such as an initial state."""
    given = [*node["args"][1:], *node["kwargs"].values()]
    return all(value in (None, False) or any(_outputs_in(value)) for value in given)


def _are_of_layers(masks: list, chain: list) -> bool:
    """Whether these are the masks that the layers of the chain make."""
    made = []  # what NotEqual is called with, for each layer that makes a mask
    for entry in chain:
        value = _masked_value(entry)
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


def _masked_value(entry: Mapping[str, Any]) -> float | None:
    """The input that a layer masks; None where it makes no mask."""
    if entry["class_name"] == "Masking":
        return entry["config"].get("mask_value", 0.0)
    return 0 if entry["config"].get("mask_zero", False) else None


def _output(entry: Mapping[str, Any]) -> list:
    """A layer's output in a functional model's configuration."""
    return [entry["name"], 0, 0]


def _fed(entry: Mapping[str, Any], how: str) -> list[list]:
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
