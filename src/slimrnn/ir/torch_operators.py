"""THE TABLE of PyTorch's operators that can be read: each as what ONNX calls it.

The recurrent ones are in :mod:`slimrnn.ir.torch_module`: what they hold, a module says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from slimrnn.errors import InputError
from slimrnn.ir import torch_loop
from slimrnn.ir.flow import Array, Flow, State
from slimrnn.ir.onnx_axes import AXES
from slimrnn.ir.onnx_layers import LAYERS
from slimrnn.ir.onnx_recurrent import About

_END = np.iinfo("int64").max


def _linear(about: About, x: Flow, weight: Array, bias: Array | None = None) -> Flow:
    return LAYERS["Gemm"]({**about, "transB": 1}, x, weight, bias)


def _addmm(about: About, bias: Array, x: Flow, weight: Array) -> Flow:
    return LAYERS["Gemm"](about, x, weight, bias)


def _conv1d(
    about: About,
    x: Flow,
    weight: Array,
    bias: Array | None = None,
    stride: Sequence[int] = (1,),
    padding: Any = (0,),
    dilation: Sequence[int] = (1,),
    groups: int = 1,
) -> Flow:
    both = (weight.shape[-1] - 1) * dilation[0] if padding == "same" else 0
    pads = (both // 2, both - both // 2)
    if not isinstance(padding, str):
        pads = (padding[0], padding[0])
    settings = {"strides": stride, "dilations": dilation, "group": groups, "pads": pads}
    return LAYERS["Conv"]({**about, **settings}, x, weight, bias)


def _max_pool1d(
    about: About,
    x: Flow,
    taps: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    dilation: Sequence[int] = (1,),
    ceil_mode: bool = False,
) -> Flow:
    return LAYERS["MaxPool"](
        {
            **_window(about, taps, stride, padding),
            "dilations": list(dilation),
            "ceil_mode": int(ceil_mode),
        },
        x,
    )


def _avg_pool1d(
    about: About,
    x: Flow,
    taps: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Flow:
    return LAYERS["AveragePool"](
        {
            **_window(about, taps, stride, padding),
            "ceil_mode": int(ceil_mode),
            "count_include_pad": int(count_include_pad),
        },
        x,
    )


def _window(about: About, taps: Any, stride: Any, padding: Any) -> About:
    window = {"kernel_shape": taps, "strides": stride or taps, "pads": (*padding,) * 2}
    return {**about, **window}


def _adaptive(kind: str) -> Callable[..., Flow]:
    def read(about: About, x: Flow, size: Sequence[int]) -> Flow:
        if list(size) != [1]:
            raise InputError(
                f"The operator {about['name']} makes {size[0]} steps of all; allowed "
                f"is 1."
            )
        return LAYERS[kind]({**about, "axes": [-1]}, x)

    return read


def _reduced(kind: str) -> Callable[..., Flow]:
    def read(about: About, x: Flow, axes: Any, keepdim: bool = False) -> Flow:
        over = list(axes) if isinstance(axes, (list, tuple)) else [axes]
        return LAYERS[kind]({**about, "axes": over, "keepdims": int(keepdim)}, x)

    return read


def _max(about: About, x: Flow, axis: int, keepdim: bool = False) -> tuple[Flow, State]:
    return _reduced("ReduceMax")(about, x, axis, keepdim), State(about["name"])


def _embedding(about: About, table: Array, x: Flow, *more: Any) -> Flow:
    return AXES["Gather"](about, table, x)


def _batch_norm(
    about: About,
    x: Flow,
    scale: Array | None,
    offset: Array | None,
    mean: Array | None,
    variance: Array | None,
    training: bool,
    momentum: float,
    epsilon: float,
    *more: Any,
) -> Flow:
    if mean is None or variance is None:
        raise InputError(
            f"The module {about['name']} has track_running_stats=False, and so no "
            f"mean that it learned; allowed is True."
        )
    arrays = [
        np.ones_like(mean) if scale is None else scale,
        np.zeros_like(mean) if offset is None else offset,
    ]
    about = {**about, "epsilon": epsilon}
    return LAYERS["BatchNormalization"](about, x, *arrays, mean, variance)[0]


def _layer_norm(
    about: About,
    x: Flow,
    shape: Sequence[int],
    scale: Array | None = None,
    offset: Array | None = None,
    epsilon: float = 1e-5,
    *more: Any,
) -> Flow:
    if len(shape) > 1:
        raise InputError(
            f"The module {about['name']} has normalized_shape={tuple(shape)}; allowed "
            f"are the features alone."
        )
    scale = np.ones(shape, "float32") if scale is None else scale
    about = {**about, "epsilon": epsilon}
    return LAYERS["LayerNormalization"](about, x, scale, offset)[0]


def _softmax(about: About, x: Flow, axis: int, *more: Any) -> Flow:
    return LAYERS["Softmax"]({**about, "axis": axis}, x)


def _log_softmax(about: About, x: Flow, axis: int, *more: Any) -> Flow:
    return LAYERS["LogSoftmax"]({**about, "axis": axis}, x)


def _with_alpha(kind: str, usual: float) -> Callable[..., Flow]:
    return lambda about, x, alpha=usual: LAYERS[kind]({**about, "alpha": alpha}, x)


def _elu(
    about: About, x: Flow, alpha: float = 1, scale: float = 1, steepness: float = 1
) -> Flow:
    if (scale, steepness) != (1, 1):
        raise InputError(f"The operator {about['name']} has scales; allowed is ELU.")
    return _with_alpha("Elu", 1)(about, x, alpha)


def _scaled(about: About, x: Flow, factor: float) -> Flow:
    return x if factor == 1 else LAYERS["Mul"](about, x, np.asarray(factor))


def _softplus(about: About, x: Flow, beta: float = 1, threshold: float = 20) -> Flow:
    found = LAYERS["Softplus"](about, _scaled(about, x, beta))
    return _scaled(about, found, 1 / beta)


def _gelu(about: About, x: Flow, approximate: str = "none") -> Flow:
    return LAYERS["Gelu"]({**about, "approximate": approximate}, x)


def _prelu(about: About, x: Flow, slope: Array) -> Flow:
    """Its features are the axis 1, or the only one."""
    shape = (-1, *(1,) * (len(x.axes) - 2))
    return LAYERS["PRelu"](about, x, slope.reshape(shape))


def _clamp(
    about: About, x: Flow, low: float | None = None, high: float | None = None
) -> Flow:
    return LAYERS["Clip"](about, x, low, high)


def _hard_sigmoid(about: About, x: Flow) -> Flow:
    return LAYERS["HardSigmoid"]({**about, "alpha": 1 / 6}, x)


def _summed(kind: str) -> Callable[..., Flow]:
    def read(about: About, one: Any, other: Any, alpha: float = 1) -> Flow:
        if alpha != 1 and isinstance(other, Flow):
            raise InputError(f"The operator {about['name']} has alpha={alpha}.")
        return LAYERS[kind](about, one, other * alpha if alpha != 1 else other)

    return read


def _stack(about: About, parts: Sequence[Any], axis: int = 0) -> Flow:
    if all(isinstance(x, Flow) and x.step for x in parts):
        steps = [_unsqueeze(about, x, axis) for x in parts]
        if (found := torch_loop.joined(about, steps, axis)) is not None:
            return found
    raise InputError(f"The operator {about['name']} stacks other than steps.")


def _cat(about: About, parts: Sequence[Any], axis: int = 0) -> Flow:
    if (found := torch_loop.joined(about, parts, axis)) is not None:
        return found
    return LAYERS["Concat"]({**about, "axis": axis}, *parts)


def _pad(
    about: About,
    x: Flow,
    pad: Sequence[int],
    mode: str = "constant",
    value: float | None = None,
) -> Flow:
    """PyTorch says the last axis first."""
    pairs = np.reshape(pad, (-1, 2))
    settings = {"pads": pairs.T.ravel(), "mode": mode, "value": value or 0}
    axes = [-1 - k for k in range(len(pairs))]
    return LAYERS["Pad"]({**about, **settings}, x, axes=axes)


def _select(about: About, x: Flow, axis: int, index: int) -> Flow:
    if (step := torch_loop.taken(x, axis, index)) is not None:
        without = [each for k, each in enumerate(step.axes) if k != axis % len(x.axes)]
        return step.with_axes(without)
    return AXES["Gather"]({**about, "axis": axis}, x, np.asarray(index))


def _slice(
    about: About,
    x: Flow,
    axis: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> Flow:
    if step == 1 and end is not None and end - (start or 0) == 1:
        one = torch_loop.taken(x, axis, start or 0)
        if one is not None:
            return one
    bounds = [start or 0], [_END if end is None else end]
    return AXES["Slice"](about, x, *bounds, [axis], [step])


def _flip(about: About, x: Flow, axes: Sequence[int]) -> Flow:
    return AXES["Slice"](about, x, [-1], [-_END], list(axes)[:1], [-1])


def _transpose(about: About, x: Flow, one: int = 0, other: int = 1) -> Flow:
    order = list(range(len(x.axes)))
    order[one], order[other] = order[other], order[one]
    return x.with_axes(x.axes[k] for k in order)


def _permute(about: About, x: Flow, order: Sequence[int]) -> Flow:
    return x.with_axes(x.axes[k] for k in order)


def _squeeze(about: About, x: Flow, axes: Any = None) -> Flow:
    given = range(len(x.axes)) if axes is None else np.atleast_1d(axes)
    ones = [k for k in given if x.axes[k].size == 1]
    return AXES["Squeeze"](about, x, np.asarray(ones, int))


def _unsqueeze(about: About, x: Flow, axis: int) -> Flow:
    return AXES["Unsqueeze"](about, x, [axis])


def _view(about: About, x: Flow, sizes: Sequence[int]) -> Flow:
    return x.reshaped(list(sizes))


def _flatten(about: About, x: Flow, start: int = 0, end: int = -1) -> Flow:
    rank, sizes = len(x.axes), [axis.size for axis in x.axes]
    start, end = start % rank, end % rank
    return x.reshaped([*sizes[:start], -1, *sizes[end + 1 :]])


def _repeat_interleave(about: About, x: Flow, count: int, axis: int) -> Flow:
    times = [1] * len(x.axes)
    times[axis] = count
    return AXES["Tile"](about, x, times)


def _unbind(about: About, x: Flow, axis: int = 0) -> tuple[Flow, ...]:
    count = int(x.axes[axis].size)
    return tuple(_select(about, x, axis, k) for k in range(count))


def _split(about: About, x: Flow, size: int, axis: int = 0) -> tuple[Flow, ...]:
    count = int(x.axes[axis].size)
    return tuple(
        _slice(about, x, axis, start, min(start + size, count))
        for start in range(0, count, size)
    )


def _chunk(about: About, x: Flow, chunks: int, axis: int = 0) -> tuple[Flow, ...]:
    return _split(about, x, -(-int(x.axes[axis].size) // chunks), axis)


def _as_it_is(about: About, x: Flow, *more: Any) -> Flow:
    return x


#: by the operator's name, whatever its overload
OPERATORS: dict[str, Callable[..., Any]] = {
    "linear": _linear,
    "addmm": _addmm,
    **dict.fromkeys(("matmul", "mm", "bmm"), LAYERS["MatMul"]),
    "embedding": _embedding,
    "conv1d": _conv1d,
    "max_pool1d": _max_pool1d,
    "avg_pool1d": _avg_pool1d,
    "adaptive_avg_pool1d": _adaptive("GlobalAveragePool"),
    "mean": _reduced("ReduceMean"),
    "amax": _reduced("ReduceMax"),
    "max": _max,
    "batch_norm": _batch_norm,
    "layer_norm": _layer_norm,
    "tanh": LAYERS["Tanh"],
    "sigmoid": LAYERS["Sigmoid"],
    "relu": LAYERS["Relu"],
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    "hardsigmoid": _hard_sigmoid,
    "leaky_relu": _with_alpha("LeakyRelu", 0.01),
    "prelu": _prelu,
    "elu": _elu,
    "celu": _with_alpha("Celu", 1),
    "selu": LAYERS["Selu"],
    "softplus": _softplus,
    "gelu": _gelu,
    "silu": LAYERS["Swish"],
    "hardswish": LAYERS["HardSwish"],
    "mish": LAYERS["Mish"],
    "hardtanh": lambda about, x, low=-1, high=1: _clamp(about, x, low, high),
    "relu6": lambda about, x: _clamp(about, x, 0, 6),
    "clamp": _clamp,
    "pow": LAYERS["Pow"],
    **{kind.lower(): LAYERS[kind] for kind in ("Abs", "Exp", "Log", "Erf")},
    "add": _summed("Add"),
    "sub": _summed("Sub"),
    "mul": LAYERS["Mul"],
    "div": LAYERS["Div"],
    "neg": lambda about, x: LAYERS["Mul"](about, x, np.asarray(-1)),
    **dict.fromkeys(("cat", "concat", "concatenate"), _cat),
    "hstack": lambda about, parts: _cat(about, parts, 1),
    "stack": _stack,
    **dict.fromkeys(("pad", "constant_pad_nd"), _pad),
    "select": _select,
    "slice": _slice,
    "narrow": lambda about, x, axis, start, length: _slice(
        about, x, axis, start, start + length
    ),
    "flip": _flip,
    "unbind": _unbind,
    "split": _split,
    "chunk": _chunk,
    **dict.fromkeys(("transpose", "t", "swapaxes", "swapdims"), _transpose),
    "mT": lambda about, x: _transpose(about, x, -2, -1),
    "permute": _permute,
    "squeeze": _squeeze,
    "unsqueeze": _unsqueeze,
    **dict.fromkeys(("view", "reshape"), _view),
    "flatten": _flatten,
    "expand": AXES["Expand"],
    **dict.fromkeys(("repeat", "tile"), AXES["Tile"]),
    "repeat_interleave": _repeat_interleave,
    **dict.fromkeys(("dropout", "feature_dropout", "alpha_dropout"), _as_it_is),
    **dict.fromkeys(("contiguous", "clone", "detach", "alias", "to"), _as_it_is),
}
