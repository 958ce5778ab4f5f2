"""PyTorch's layers, described, from the names and shapes of a state_dict."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from slimrnn.errors import InputError
from slimrnn.ir.cells import TORCH, torch_cell
from slimrnn.ir.described import Described
from slimrnn.ir.weights import RecurrentWeights
from slimrnn.variants import CellSpec

Array = np.ndarray
Tensors = Mapping[str, Array]  # of one module, by their names in it

_GATES = {len(order): kind for kind, (_, order) in TORCH.items()}


def groups(tensors: Tensors) -> dict[str, dict[str, Array]]:
    """The tensors of each module, by the module's name, in the order of the file."""
    found: dict[str, dict[str, Array]] = {}
    for name, array in tensors.items():
        module, _, own = name.rpartition(".")
        found.setdefault(module, {})[own] = array
    return found


def kind_of(name: str, tensors: Tensors) -> str:
    """What module has these tensors."""
    first = tensors.get("weight_ih_l0", tensors.get("weight_ih"))
    if any("weight_hr" in own for own in tensors):
        raise InputError(f"The module {name} has proj_size; allowed is 0, without it.")
    if first is not None:
        second = tensors.get("weight_hh_l0", tensors.get("weight_hh"))
        units = second.shape[-1] if second is not None and second.ndim == 2 else 0
        kind = _GATES.get(len(first) // units if units else 0)
        fits = second is not None and first.ndim == 2 and len(first) == len(second)
        if kind and fits:
            return kind
    elif "running_mean" in tensors:
        return "BatchNorm1d"
    elif set(tensors) == {"weight"} and tensors["weight"].ndim == 1:
        return "PReLU"
    elif set(tensors) == {"weight", "bias"} and tensors["weight"].ndim == 1:
        return "LayerNorm"
    elif "weight" in tensors and tensors["weight"].ndim == 2:
        return "Linear" if set(tensors) <= {"weight", "bias"} else ""
    shapes = ", ".join(f"{own} {array.shape}" for own, array in tensors.items())
    raise InputError(
        f"The module {name} has the tensors {shapes}; allowed are those of LSTM, GRU, "
        f"RNN, Linear, Embedding, LayerNorm, PReLU and BatchNorm1d."
    )


def sizes(tensors: Tensors, kind: str) -> tuple[int, ...]:
    """Features, units and layers of a recurrent module; of others, in and out."""
    if kind in TORCH:
        rows = tensors.get("weight_hh_l0", tensors.get("weight_hh", np.zeros((0, 0))))
        first = tensors.get("weight_ih_l0", tensors.get("weight_ih", rows))
        names = {own.removesuffix("_reverse") for own in tensors}
        depth = len({own for own in names if own.startswith("weight_ih")})
        return (first.shape[1], rows.shape[1], depth)
    shape = tensors["weight"].shape
    return shape if kind == "Embedding" else shape[::-1]


def in_and_out(name: str, tensors: Tensors) -> tuple[int, int]:
    """How many numbers a module takes, and gives."""
    kind = kind_of(name, tensors)
    if kind in TORCH:
        features, units, _ = sizes(tensors, kind)
        both = any(own.endswith("_reverse") for own in tensors)
        return features, units * (1 + both)
    shape = tensors.get("weight", tensors.get("running_mean", np.zeros(0))).shape
    return (shape[-1], shape[0]) if kind == "Linear" else (shape[0], shape[0])


def layers(
    name: str, kind: str, tensors: Tensors, **settings: Any
) -> Iterator[Described]:
    """The layers that a module is.

    Args:
        name: the module's.
        kind: its class.
        tensors: its own, by name.
        settings: ``activation`` of an RNN, ``ends`` of any recurrent one: whether it
            gives the last states of its directions alone.
    """
    yield from _LAYERS[kind](name or "tensors", tensors, **settings)


def names(name: str, depth: int) -> list[str]:
    """What the layers of a module are called."""
    return [name] if depth == 1 else [f"{name}_{place}" for place in range(depth)]


def _recurrent(
    name: str, tensors: Tensors, ends: bool = False, activation: str = "tanh"
) -> Iterator[Described]:
    kind = kind_of(name, tensors)
    if "weight_ih" in tensors:  # a cell, which is a layer of one
        tensors = {f"{own}_l0": array for own, array in tensors.items()}
    *_, depth = sizes(tensors, kind)
    both = any(own.endswith("_reverse") for own in tensors)

    def cell(place: int, suffix: str) -> RecurrentWeights:
        return torch_cell(
            name,
            kind,
            [_of(name, tensors, f"weight_{w}_l{place}{suffix}") for w in _INPUTS],
            _biases(name, tensors, f"l{place}{suffix}"),
            activation,
        )

    yield from _stacked(names(name, depth), both, cell, ends)


def slim_layers(
    called: Sequence[str], spec: CellSpec, tensors: Tensors, both: bool
) -> Iterator[Described]:
    """The layers of slimrnn for PyTorch, by their names."""

    def cell(place: int, suffix: str) -> RecurrentWeights:
        weights = spec.variant.shapes(1, 1)
        own = {weight: tensors[f"{weight}_l{place}{suffix}"] for weight in weights}
        return RecurrentWeights(spec, own)

    yield from _stacked(called, both, cell)


def _stacked(
    called: Sequence[str],
    both: bool,
    cell: Callable[[int, str], RecurrentWeights],
    ends: bool = False,
) -> Iterator[Described]:
    """Layers one on the other; of the last one, all steps or the ends."""
    for place, name in enumerate(called):
        steps = not (ends and place == len(called) - 1)
        directions = []
        for suffix in ("", "_reverse")[: 1 + both]:
            settings = {"return_sequences": steps, "go_backwards": bool(suffix)}
            of_it = cell(place, suffix)
            directions.append(Described("RNN", name + suffix, settings, cell=of_it))
        if both:
            yield Described("Bidirectional", name, inner=tuple(directions))
        else:
            yield directions[0]


_INPUTS, _AFFINE, _HAS = ("ih", "hh"), ("weight", "bias"), ("scale", "center")


def _of(name: str, tensors: Tensors, own: str, rank: int = 2) -> Array:
    if own not in tensors:
        raise InputError(f"The module {name} lacks {own}.")
    array = tensors[own]
    if array.ndim != (rank if own.startswith("weight") else 1):
        raise InputError(f"The module {name} has {own} of the shape {array.shape}.")
    return array


def _biases(name: str, tensors: Tensors, end: str) -> list[Array]:
    if f"bias_ih_{end}" not in tensors:
        return []
    return [_of(name, tensors, f"bias_{which}_{end}") for which in _INPUTS]


def _linear(name: str, tensors: Tensors) -> Iterator[Described]:
    weights = [np.ascontiguousarray(_of(name, tensors, "weight").T)]
    weights += [tensors["bias"]] if "bias" in tensors else []
    use_bias = {"use_bias": "bias" in tensors}
    yield Described("Dense", name, use_bias, weights, features=len(weights[0]))


def _embedding(name: str, tensors: Tensors) -> Iterator[Described]:
    yield Described("Embedding", name, weights=[_of(name, tensors, "weight")])


def _prelu(name: str, tensors: Tensors) -> Iterator[Described]:
    yield Described("PReLU", name, weights=[_of(name, tensors, "weight", 1)])


def _norm(kind: str, *names: str) -> Callable[..., Iterator[Described]]:
    def described(name: str, tensors: Tensors) -> Iterator[Described]:
        about = {key: own in tensors for key, own in zip(_HAS, _AFFINE, strict=True)}
        weights = [tensors[own] for own in names if own in tensors]
        settings = {**about, "epsilon": 1e-5}  # PyTorch's, unless a module says more
        yield Described(kind, name, settings, weights, features=len(weights[0]))

    return described


_LAYERS: dict[str, Callable[..., Iterator[Described]]] = {
    **dict.fromkeys(TORCH, _recurrent),
    "Linear": _linear,
    "Embedding": _embedding,
    "PReLU": _prelu,
    "LayerNorm": _norm("LayerNormalization", *_AFFINE),
    "BatchNorm1d": _norm("BatchNormalization", *_AFFINE, "running_mean", "running_var"),
}
KINDS = tuple(_LAYERS)
