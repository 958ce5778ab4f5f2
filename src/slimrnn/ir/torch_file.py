"""The tensors of a file of ``torch.save``, read without torch and without a pickle.

A pickle is a program. This one is followed by an allow-list: it can make a dict, and
say where tensors lie in the file; anything else is refused by its name. A file of
safetensors has a text that says it.
"""

from __future__ import annotations

import io
import json
import math
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from slimrnn.errors import InputError
from slimrnn.utils import foreign

Array = np.ndarray

_TYPES = {
    **{"FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2"},
    **{"LongStorage": "<i8", "IntStorage": "<i4", "ShortStorage": "<i2"},
    **{"CharStorage": "i1", "ByteStorage": "u1", "BoolStorage": "?"},
    "BFloat16Storage": "<u2",  # the upper half of a float32
}
MOST_BYTES = 1 << 31  # of a file of safetensors
#: under which a file of more than the weights has them
_INSIDE = ("state_dict", "model_state_dict", "model", "net", "weights")


@dataclass(frozen=True)
class _Storage:
    """Where numbers lie: their type, the name of their piece, and how many."""

    dtype: str
    key: str
    count: int


@dataclass(frozen=True)
class _Tensor:
    """A tensor of a file, before its numbers are read."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def tensors_of(path: Path) -> dict[str, Array]:
    """The tensors of a state_dict, by name."""
    with foreign.reading(path, "a state_dict of PyTorch"):
        size = foreign.size_of(path)
        if zipfile.is_zipfile(path):
            found, piece = _zipped(path)
        else:
            found, piece = _legacy(path.read_bytes())
        state = _state_dict(path, found)
        claimed = sum(_bytes(name, tensor) for name, tensor in state.items())
        foreign.check_claim("Its tensors", claimed, size)
        return {name: _read(name, tensor, piece) for name, tensor in state.items()}


#: of safetensors: what its types are called there
_SAFE = {
    **{"F64": "DoubleStorage", "F32": "FloatStorage", "F16": "HalfStorage"},
    **{"BF16": "BFloat16Storage", "I64": "LongStorage", "I32": "IntStorage"},
    **{"I16": "ShortStorage", "I8": "CharStorage", "U8": "ByteStorage"},
    "BOOL": "BoolStorage",
}


def safe_tensors_of(path: Path) -> dict[str, Array]:
    """The tensors of a file of safetensors, by name."""
    with foreign.reading(path, "safetensors"):
        foreign.size_of(path, MOST_BYTES)
        content = path.read_bytes()
        begin = 8 + int.from_bytes(content[:8], "little")
        if begin > min(len(content), foreign.TEXT_BYTES):
            raise InputError("Its header is longer than it may be.")
        header = json.loads(content[8:begin])
        header.pop("__metadata__", None)
        pieces, tensors = {}, {}
        for name, about in header.items():
            start, end = (begin + int(offset) for offset in about["data_offsets"])
            dtype, shape = _TYPES[_SAFE[about["dtype"]]], tuple(about["shape"])
            storage = _Storage(dtype, name, math.prod(shape))
            if end - start != storage.count * np.dtype(dtype).itemsize or start < begin:
                raise InputError(f"The tensor {name} lies where it has no room.")
            pieces[name] = content[start:end]
            strides = tuple(math.prod(shape[k + 1 :]) for k in range(len(shape)))
            tensors[name] = _Tensor(storage, 0, shape, strides)
            _bytes(name, tensors[name])
        return {
            name: _read(name, tensor, lambda storage: pieces[storage.key])
            for name, tensor in tensors.items()
        }


Piece = Callable[[_Storage], bytes]


def _zipped(path: Path) -> tuple[Any, Piece]:
    names = foreign.check_archive(path)
    with zipfile.ZipFile(path) as archive:
        root = next(n for n in names if n.endswith("data.pkl")).removesuffix("data.pkl")
        pieces = {
            name.removeprefix(f"{root}data/"): archive.read(name)
            for name in names
            if name.startswith(f"{root}data/")
        }
        little = f"{root}byteorder" not in names or (
            archive.read(f"{root}byteorder") == b"little"
        )
        if not little:
            raise InputError("It is of a big-endian machine; save it on another one.")
        found = _Unpickler(io.BytesIO(archive.read(f"{root}data.pkl"))).load()
    return found, lambda storage: pieces[storage.key]


def _legacy(content: bytes) -> tuple[Any, Piece]:
    """The format from before torch 1.6: pickles, one after the other, and numbers."""
    stream = io.BytesIO(content)
    _magic, _protocol, _system = (_Unpickler(stream).load() for _ in range(3))
    unpickler = _Unpickler(stream)
    found = unpickler.load()
    keys = _Unpickler(stream).load()
    pieces = {}
    for key in keys:
        (count,) = struct.unpack("<q", stream.read(8))
        storage = unpickler.storages[key]
        if count != storage.count:
            raise InputError(f"A storage of {storage.count} numbers has {count}.")
        pieces[key] = stream.read(count * np.dtype(storage.dtype).itemsize)
    return found, lambda storage: pieces[storage.key]


# The one in Python, which typeshed does not know: that in C takes memory for whatever
# place a damaged pickle names.
class _Unpickler(pickle._Unpickler):  # type: ignore[name-defined]
    """Follows a pickle by the allow-list."""

    def __init__(self, stream: io.BytesIO):
        super().__init__(stream, encoding="utf-8")
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _ALLOWED:
            return _ALLOWED[module, name]
        if module in ("torch", "torch.storage") and name in _TYPES:
            return _TYPES[name]
        raise InputError(
            f"It holds {module}.{name}, which is not read, since that would be run; "
            f"save the tensors alone, with torch.save(model.state_dict(), FILE)."
        )

    def persistent_load(self, pid: Any) -> _Storage:
        what, dtype, key, _device, count = pid[:5]
        if what != "storage" or dtype not in _TYPES.values():
            raise InputError("It holds a piece that is no storage of numbers.")
        self.storages[str(key)] = storage = _Storage(dtype, str(key), int(count))
        return storage


def _tensor(
    storage: _Storage, offset: int, shape: Any, strides: Any, *_: Any
) -> _Tensor:
    if not isinstance(storage, _Storage):
        raise InputError("It holds a tensor of no storage.")
    return _Tensor(storage, int(offset), tuple(shape), tuple(strides))


class _Beside:
    """What lies beside the weights in a checkpoint, such as a loss: not kept.

    Whatever it is made of is no more than an argument here.
    """

    def __init__(self, *given: Any):
        pass

    def __setstate__(self, state: Any) -> None:
        pass


_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "scalar"): _Beside,
    ("numpy._core.multiarray", "scalar"): _Beside,
    ("numpy", "dtype"): _Beside,
    ("_codecs", "encode"): _Beside,
    ("argparse", "Namespace"): _Beside,
    ("torch", "device"): _Beside,
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): lambda data, *_: data,
}


def _state_dict(path: Path, found: Any) -> dict[str, _Tensor]:
    """The tensors, which may lie one dict deeper."""
    inside = [found[k] for k in _INSIDE if isinstance(found, Mapping) and k in found]
    state = inside[0] if inside and isinstance(inside[0], Mapping) else found
    if not isinstance(state, Mapping) or not state:
        raise InputError("It holds no state_dict; save it with model.state_dict().")
    for name, tensor in state.items():
        if not isinstance(name, str) or not isinstance(tensor, _Tensor):
            raise InputError(
                f"It holds {name!r}, which is no tensor; save the tensors alone, with "
                f"torch.save(model.state_dict(), FILE)."
            )
    return dict(state)


def _bytes(name: str, tensor: _Tensor) -> int:
    """What a tensor takes in float32."""
    shape, strides = tensor.shape, tensor.strides
    sound = len(shape) == len(strides) <= 8 and min((*shape, *strides, 0)) >= 0
    if not sound or tensor.offset < 0:
        raise InputError(f"The tensor {name} says that it has the shape {shape}.")
    return 4 * math.prod(shape)


def _read(name: str, tensor: _Tensor, piece: Piece) -> Array:
    """The numbers of a tensor, as an array."""
    storage, shape, strides = tensor.storage, tensor.shape, tensor.strides
    numbers = np.frombuffer(piece(storage), storage.dtype)
    reach = tensor.offset + sum(
        (n - 1) * s for n, s in zip(shape, strides, strict=True)
    )
    if math.prod(shape) and reach >= len(numbers):
        raise InputError(
            f"The tensor {name} reaches beyond its {len(numbers)} numbers."
        )
    if storage.dtype == _TYPES["BFloat16Storage"]:
        numbers = (numbers.astype("<u4") << 16).view("<f4")
    steps = [s * numbers.itemsize for s in strides]
    view = np.lib.stride_tricks.as_strided(numbers[tensor.offset :], shape, steps)
    return view.astype(numbers.dtype)  # a copy
