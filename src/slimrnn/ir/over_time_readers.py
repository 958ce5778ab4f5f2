"""Readers of layers that look at more than one step, in Keras's words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from slimrnn.errors import InputError
from slimrnn.ir.cells import CELLS, keras_cell
from slimrnn.ir.described import LAST, Described
from slimrnn.ir.layers import Bidirectional, Conv1D, LocalPool, Pool, Recurrent, Repeat
from slimrnn.ir.over_time import OfWindow
from slimrnn.ir.so_far import SoFar, check_size, function_of

_POOLS = {"GlobalAveragePooling1D": "average", "GlobalMaxPooling1D": "max"}
_LOCAL_POOLS = {"AveragePooling1D": "average", "MaxPooling1D": "max"}
#: the names of a Conv1D: today's, and Keras 1's
CONVOLUTIONS = ("Conv1D", "Convolution1D")
#: slimrnn's layers, and the original's
_SLIM = ("SlimLSTM", "SlimGRU", "SlimMGU", "SlimRNN", "LSTMs")
#: the layers with a cell; RNN and slimrnn's bring theirs along
RECURRENT = (*CELLS, "RNN", *_SLIM)


def pooling(chain: SoFar, layer: Described) -> None:
    _check_format(layer)
    if layer.get("keepdims"):
        raise InputError(f"The layer {layer} has keepdims=True; allowed is False.")
    masked = any(known.makes_mask for known in chain.layers)
    if masked and (chain.astray or not chain.mask):
        raise InputError(
            f"The layer {layer} gets no mask, or one in another order than its "
            f"inputs; allowed is a mask that reaches it as it is made."
        )
    chain.layers.append(Pool(layer.name, chain.width(layer), _POOLS[layer.kind]))
    chain.after(False)


def local_pooling(chain: SoFar, layer: Described) -> None:
    _check_format(layer)
    taps = _one(layer, "pool_size", 2)
    strides = taps if layer.get("strides") is None else _one(layer, "strides")
    how, around = _LOCAL_POOLS[layer.kind], layer.get("pads", (0, 0))
    width = chain.width(layer)
    _of_window(chain, layer, LocalPool(layer.name, width, how, taps, strides, *around))


def _of_window(chain: SoFar, layer: Described, found: Conv1D | LocalPool) -> None:
    """Add it, with what its padding says, and its own zeros."""
    (before, after), chain.zeros = chain.zeros, (0, 0)
    own = _padding(chain, layer, found)
    before, after = before + own[0] + found.before, after + own[1] + found.after
    found = replace(found, before=before, after=after)
    if chain.steps is not None:
        chain.steps = found.steps_of(chain.steps)
    chain.layers.append(found)


def _check_format(layer: Described) -> None:
    if layer.get("data_format") == "channels_first":
        raise InputError(
            f"The layer {layer} has data_format=channels_first; allowed is "
            f"channels_last, (B, T, m)."
        )


def last(chain: SoFar, layer: Described) -> None:
    """``x[:, -1]``, which a recurrent layer can give by itself."""
    before = chain.layers[-1] if chain.layers else None
    if isinstance(before, Recurrent) and chain.sequence:
        chain.layers[-1] = replace(before, return_sequences=False)
    else:
        chain.layers.append(Pool(layer.name, chain.width(layer), "last"))
    chain.after(False)


def repeat(chain: SoFar, layer: Described) -> None:
    times = int(layer.get("n", 1))
    chain.layers.append(Repeat(layer.name, chain.width(layer), times))
    chain.steps, chain.sequence = times, True


def zero_padding(chain: SoFar, layer: Described) -> None:
    given = layer.get("padding", 1)
    before, after = given if isinstance(given, (list, tuple)) else (given, given)
    chain.zeros = int(before), int(after)


def convolution(chain: SoFar, layer: Described) -> None:
    kernel, bias = layer.matrix()
    if kernel.ndim == 4 and kernel.shape[1] == 1:  # of Keras 1
        kernel = kernel[:, 0]
    _check_format(layer)
    if kernel.ndim != 3:
        raise InputError(
            f"The layer {layer} has a kernel of the shape {kernel.shape}; allowed is "
            f"(taps, m, n)."
        )
    check_size(layer, "filters", kernel.shape[-1])
    sizes = {"kernel_size": _one(layer, "kernel_size", kernel.shape[0])}
    check_size(replace(layer, settings=sizes), "kernel_size", kernel.shape[0])
    counts = {
        "strides": _one(layer, "strides"),
        "dilation": _one(layer, "dilation_rate"),
        "groups": int(layer.get("groups", 1)),
    }
    found = Conv1D(layer.name, kernel, bias, function_of(layer), **counts)
    _of_window(chain, layer, found)


def of_all_steps(chain: SoFar, layer: Described) -> None:
    """A Dense after Flatten: a convolution with one window, which has all steps."""
    kernel, bias = layer.matrix()
    check_size(layer, "units", kernel.shape[-1])
    width = chain.width(layer)
    steps, left = divmod(len(kernel), width)
    if left or chain.steps not in (None, steps):
        raise InputError(
            f"The layer {layer} has weights for {len(kernel)} numbers; received "
            f"{chain.steps or 'an unknown number of'} steps of {width} from Flatten."
        )
    if all(known.gives_each for known in chain.layers):
        chain.whole = steps
    taps = kernel.reshape(steps, width, -1)
    chain.layers.append(Conv1D(layer.name, taps, bias, function_of(layer)))
    chain.layers.append(Pool(f"{layer.name}_last", kernel.shape[-1], "last"))
    chain.flatten = False
    chain.after(False)


def _padding(chain: SoFar, layer: Described, found: OfWindow) -> tuple[int, int]:
    """The steps of zeros that Keras puts before and after a sequence."""
    padding = layer.get("padding", "valid")
    if padding == "causal":
        return found.span - 1, 0
    if padding == "same":
        left = _left_over(chain, layer, found)
        both = max(0, found.span - left)
        return both // 2, both - both // 2
    if padding != "valid":
        raise InputError(
            f"The layer {layer} has padding={padding!r}; allowed: valid, causal, same."
        )
    return 0, 0


def _left_over(chain: SoFar, layer: Described, found: OfWindow) -> int:
    """How many steps the last one that comes out has, without zeros."""
    if found.strides == 1:
        return 1
    if chain.steps is None:
        raise InputError(
            f"The layer {layer} has padding='same' and strides={found.strides}, so "
            f"that its zeros depend on the number of steps, which is not known; "
            f"begin the model with keras.Input((steps, features)), or train it "
            f"with padding='causal'."
        )
    return (chain.steps - 1) % found.strides + 1


def recurrent(chain: SoFar, layer: Described) -> None:
    found = direction(chain, layer)
    if found.masked and found.turns and layer.kind not in _SLIM:
        chain.astray = str(layer)
    chain.layers.append(found)
    chain.after(found.return_sequences)


def bidirectional(chain: SoFar, layer: Described) -> None:
    for inner in layer.inner:
        if inner.kind not in RECURRENT:
            raise InputError(
                f"{layer} is over {inner}; allowed: {', '.join(RECURRENT)}."
            )
    forward, backward = (direction(chain, inner) for inner in layer.inner)
    merge = layer.get("merge_mode", "concat")
    chain.layers.append(Bidirectional(layer.name, forward, backward, merge))
    chain.after(forward.return_sequences)


def direction(chain: SoFar, layer: Described) -> Recurrent:
    if layer.get("time_major"):
        raise InputError(
            f"The layer {layer} has time_major=True; allowed is False, (B, T, m)."
        )
    if chain.mask and chain.astray:
        raise InputError(
            f"{layer} gets the mask of {chain.astray}, which hands it on in the "
            f"order of its inputs, while its outputs are in the opposite one; "
            f"allowed there are slimrnn's layers, which turn the mask."
        )
    cell = layer.cell or keras_cell(layer)
    check_size(layer, "units", cell.units)
    return Recurrent(
        layer.name,
        cell,
        bool(layer.get("return_sequences", False)),
        bool(layer.get("go_backwards", False)),
        chain.mask,
        chain.mask and bool(layer.get("zero_output_for_mask", False)),
        layer.get("initial"),
    )


def _one(layer: Described, setting: str, usual: int = 1) -> int:
    """A setting that Keras holds as a number, or as a tuple of one."""
    given = layer.get(setting, usual)
    return int(given[0] if isinstance(given, (list, tuple)) else given)


READERS: dict[str, Callable[[SoFar, Described], None]] = {
    **dict.fromkeys(RECURRENT, recurrent),
    "Bidirectional": bidirectional,
    **dict.fromkeys(CONVOLUTIONS, convolution),
    **dict.fromkeys(_LOCAL_POOLS, local_pooling),
    "ZeroPadding1D": zero_padding,
    "RepeatVector": repeat,
    **dict.fromkeys(_POOLS, pooling),
    LAST: last,
}
