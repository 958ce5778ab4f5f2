"""The reader of PyTorch: modules in memory, and state_dicts in files.

A state_dict has names and shapes, in the order in which its modules were made (in that
of their names in safetensors; then sizes say it). What they do not say, a text does:
``"lstm:3x64x2,last,linear,relu,linear"``, in the order of the computation. Modules take
the next tensors of their kind; of ``KIND:AxBx...`` the numbers are checked (features,
units and layers; of linear, features and outputs). After LSTM, GRU or RNN, ``last``
hands on its output at the last step, ``ends`` the last states of both directions,
``mean`` and ``max`` those of all steps; tanh, relu, gelu and other activations are
computed, and ``leaky_relu:0.2``. A module that the text leaves out at its end may be a
single Linear.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np

from slimrnn.errors import InputError
from slimrnn.ir import torch_layers
from slimrnn.ir.chain import model_of
from slimrnn.ir.described import LAST, Described
from slimrnn.ir.layers import ACTIVATIONS
from slimrnn.ir.model import Model
from slimrnn.ir.torch_file import safe_tensors_of, tensors_of

Array = np.ndarray
#: the words of the text for modules
_WORDS = {
    **{kind.lower(): kind for kind in torch_layers.TORCH},
    **{"linear": "Linear", "embedding": "Embedding", "batchnorm": "BatchNorm1d"},
    **{"layernorm": "LayerNorm", "prelu": "PReLU"},
}
#: words after a recurrent module: Keras's layers; ends are a setting of the module
_AFTER = {
    "last": LAST,
    "mean": "GlobalAveragePooling1D",
    "max": "GlobalMaxPooling1D",
    "ends": "",
}


def from_file(path: Path, torch: str = "") -> Model:
    """The model of a state_dict that ``torch.save`` wrote; no pickle is run."""
    model = from_tensors(tensors_of(path), path.stem, torch)
    return replace(model, origin="PyTorch state_dict")


def from_safe(path: Path, torch: str = "") -> Model:
    """The model of a state_dict in a file of safetensors; see :func:`from_file`."""
    model = from_tensors(safe_tensors_of(path), path.stem, torch, ordered=False)
    return replace(model, origin="safetensors")


def from_tensors(
    tensors: Mapping[str, Array], name: str, torch: str = "", ordered: bool = True
) -> Model:
    """The model of a state_dict; see :func:`from_file`.

    ``ordered``: whether the modules stand as they were made, which decides where sizes
    leave several orders.

    Example:
        >>> zeros = np.zeros((16, 3), "f4"), np.zeros((16, 4), "f4")
        >>> names = "rnn.weight_ih_l0", "rnn.weight_hh_l0"
        >>> from_tensors(dict(zip(names, zeros)), "small", "lstm:3x4,last").outputs
        4
    """
    modules = torch_layers.groups(_plain(tensors))
    if not torch:
        modules = _in_order(modules, ordered)
    words = [word.strip() for word in torch.split(",")] if torch else []
    found = list(_spelled(modules, words) if words else _guessed(modules))
    kinds = ", ".join(f"{name or 'the tensors'} as {kind}" for name, kind, _ in found)
    how = "as --torch says" if words else "with an output for each step"
    layers = [layer for *_, its in found for layer in its]
    return model_of(name, layers, translated=f"{kinds}, {how}")


#: modules whose orders are tried
_MOST = 6


def _in_order(
    modules: dict[str, dict[str, Array]], ordered: bool
) -> dict[str, dict[str, Array]]:
    """The modules so that each takes what the one before gives, where sizes say so.

    A state_dict has them in the order in which they were made, and safetensors in that
    of their names.
    """
    sizes = {name: torch_layers.in_and_out(name, own) for name, own in modules.items()}
    fitting = []
    for order in permutations(modules) if len(modules) <= _MOST else ():
        given: list[tuple[int, ...]] = [sizes[name][1:] for name in order]
        if set(modules[order[0]]) == {"weight"}:  # an Embedding gives its columns
            given[0] = sizes[order[0]]
        if all(sizes[b][0] in g for g, b in zip(given, order[1:], strict=False)):
            fitting.append(order)
    if len(fitting) > 1 and not ordered:
        raise InputError(
            f"The sizes leave several orders, such as {', '.join(fitting[0])} and "
            f"{', '.join(fitting[1])}; say it, such as --torch embedding,lstm,linear."
        )
    return {name: modules[name] for name in fitting[0]} if fitting else modules


#: a module's name, its kind, and its layers
_Found = tuple[str, str, Iterable[Described]]


def _plain(tensors: Mapping[str, Array]) -> dict[str, Array]:
    """Float32, without what is counted."""
    return {
        name: np.asarray(array, "float32")
        for name, array in tensors.items()
        if not name.endswith("num_batches_tracked")
    }


def _kind(name: str, own: Mapping[str, Array], behind: int | None) -> str:
    """The kind of a module; the first one may be an Embedding.

    Args:
        name: the module's.
        own: its tensors.
        behind: how many numbers the next module takes, of the first one.
    """
    kind = torch_layers.kind_of(name, own)
    if kind != "Linear" or behind is None or set(own) != {"weight"}:
        return kind
    rows, columns = own["weight"].shape
    if rows == columns == behind:
        raise InputError(
            f"The module {name} can be an Embedding or a Linear; say which, such as "
            f"--torch embedding,lstm,linear."
        )
    return "Embedding" if columns == behind else kind


def _taken(own: Mapping[str, Array]) -> int | None:
    """How many numbers a recurrent module takes."""
    first = own.get("weight_ih_l0", own.get("weight_ih"))
    return None if first is None else first.shape[-1]


def _guessed(modules: Mapping[str, dict[str, Array]]) -> Iterator[_Found]:
    before, behind = "", [_taken(own) for own in modules.values()]
    for place, (name, own) in enumerate(modules.items()):
        following = behind[1] if not place and len(behind) > 1 else None
        kind = _kind(name, own, following)
        if kind == before == "Linear":
            raise InputError(
                f"The state_dict does not say what stands between two Linear, before "
                f"{name}; say it, such as --torch lstm,last,linear,relu,linear."
            )
        yield name, kind, torch_layers.layers(name, kind, own)
        before = kind


def _spelled(
    modules: Mapping[str, dict[str, Array]], words: list[str]
) -> Iterator[_Found]:
    """The layers in the order of the words, and a Linear that is left."""
    left = dict(modules)
    for place, word in enumerate(words):
        what, _, sizes = word.partition(":")
        if what in _WORDS:
            kind = _WORDS[what]
            name = _next(left, kind, sizes, word)
            own = left.pop(name)
            ends = {"ends": True} if words[place + 1 : place + 2] == ["ends"] else {}
            yield name, kind, torch_layers.layers(name, kind, own, **ends)
        elif what in ACTIVATIONS:
            layer = Described("Activation", f"{what}_{place}", {"activation": what})
            yield layer.name, what, [layer]
        elif what == "leaky_relu":
            settings = {"negative_slope": _slope(word, sizes)}
            yield what, word, [Described("LeakyReLU", f"{what}_{place}", settings)]
        elif what in _AFTER and place and words[place - 1].split(":")[0] in _CELLS:
            if _AFTER[what]:
                yield what, what, [Described(_AFTER[what], f"{what}_{place}")]
        else:
            raise InputError(
                f"--torch has {word!r}; allowed: {', '.join([*_WORDS, *ACTIVATIONS])}, "
                f"leaky_relu, and {', '.join(_AFTER)} after {', '.join(_CELLS)}."
            )
    for name, own in left.items():
        if len(left) > 1 or torch_layers.kind_of(name, own) != "Linear":
            raise InputError(
                f"--torch leaves out the modules {', '.join(left)}; name all but a "
                f"last Linear."
            )
        yield name, "Linear", torch_layers.layers(name, "Linear", own)


def _slope(word: str, given: str) -> float:
    """Of ``leaky_relu:0.2``; PyTorch's own where it is not said."""
    try:
        return float(given or 0.01)
    except ValueError as error:
        raise InputError(
            f"--torch has {word}; after leaky_relu: stands its slope, such as 0.2."
        ) from error


_CELLS = tuple(kind.lower() for kind in torch_layers.TORCH)


def _next(
    left: Mapping[str, dict[str, Array]], kind: str, sizes: str, word: str
) -> str:
    """The first module that a word fits."""
    reasons = {name: _why_not(name, own, kind, sizes) for name, own in left.items()}
    for name, why in reasons.items():
        if not why:
            return name
    why = next(iter(reasons.values()), "")
    raise InputError(
        f"--torch has {word}, and {why}."
        if why
        else f"The state_dict has no tensors left for {word}."
    )


def _why_not(name: str, own: Mapping[str, Array], kind: str, sizes: str) -> str:
    """Why a module is not of a kind and of sizes; empty where it is."""
    found = torch_layers.kind_of(name, own)
    known = {found, "Embedding"} if set(own) == {"weight"} else {found}
    if kind not in known:
        return f"the module {name} there is of {found}"
    have = torch_layers.sizes(own, kind)
    if sizes and sizes not in ("x".join(map(str, have[:k])) for k in (2, 3)):
        return f"the module {name} there is of {'x'.join(map(str, have))}"
    return ""
