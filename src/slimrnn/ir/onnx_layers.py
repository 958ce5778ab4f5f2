"""The operators of ONNX that are layers, or a part of one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from slimrnn.errors import InputError
from slimrnn.ir import spelled
from slimrnn.ir.described import Described
from slimrnn.ir.directions import ends, paired
from slimrnn.ir.flow import FEATURES, LOG_SOFTMAX, ONE, Array, Axis, Flow
from slimrnn.ir.onnx_recurrent import About, named_function
from slimrnn.variants.activations import SELU_ALPHA, SELU_SCALE, erf


def _dense(about: About, x: Flow, kernel: Array, bias: Any = None) -> Flow:
    if not isinstance(kernel, np.ndarray) or kernel.ndim != 2:
        raise InputError(f"The operator {about['name']} has no known matrix.")
    n = kernel.shape[1]
    kernel = kernel if (joined := x.joined()) is None else _by_step(kernel, *joined)
    weights = [kernel] if bias is None else [kernel, np.resize(bias, n)]
    settings = {"use_bias": bias is not None}
    layer = Described("Dense", about["name"], settings, weights)
    if joined is None:
        return x.through(layer, n)
    flatten = Described("Flatten", f"{layer.name}_flatten")
    return x.after(flatten, layer, axes=(*x.axes[:-1], Axis(FEATURES, n)))


def _by_step(kernel: Array, width: int, steps_first: bool) -> Array:
    """The rows of a matrix over all features of all steps, step by step."""
    if steps_first or len(kernel) % width:
        return kernel
    return (
        kernel.reshape(width, -1, kernel.shape[1]).swapaxes(0, 1).reshape(kernel.shape)
    )


def _gemm(about: About, x: Any, kernel: Any, bias: Any = None) -> Flow:
    if about.get("transA"):
        raise InputError(f"The operator {about['name']} (Gemm) turns its input round.")
    matrix = kernel.T if about.get("transB") else kernel
    scaled = None if bias is None else bias * np.float32(about.get("beta", 1))
    return _dense(about, x, matrix * np.float32(about.get("alpha", 1)), scaled)


def _conv(about: About, x: Flow, kernel: Array, bias: Array | None = None) -> Flow:
    """A convolution over time; its features lie in the middle."""
    name = about["name"]
    if np.ndim(kernel) != 3 or len(x.axes) != 3 or x.axes[1].name != FEATURES:
        raise InputError(
            f"The operator {name} (Conv) is not over the steps of features."
        )
    if about.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        raise InputError(
            f"The operator {name} (Conv) has auto_pad={about['auto_pad']}; allowed are "
            f"pads in numbers."
        )
    strides, dilation = (about.get(k, [1])[0] for k in ("strides", "dilations"))
    settings = {
        "strides": strides,
        "dilation_rate": dilation,
        "groups": about.get("group", 1),
        "use_bias": bias is not None,
    }
    weights = [np.ascontiguousarray(kernel.transpose(2, 1, 0))]
    weights += [] if bias is None else [bias]
    pads = tuple(about.get("pads", (0, 0)))
    layers = [Described("Conv1D", name, settings, weights)]
    if any(pads):
        layers.insert(0, Described("ZeroPadding1D", f"{name}_pads", {"padding": pads}))
    span = dilation * (kernel.shape[2] - 1) + 1
    features, time = Axis(FEATURES, len(kernel)), x.axes[2]
    axes = (x.axes[0], features, _windows(time, span, strides, pads))
    return x.after(*layers, axes=axes, time=time.name)


def _windows(time: Axis, span: int, strides: int, pads: tuple[int, ...]) -> Axis:
    """The axis of time behind what takes so many steps at once."""
    if not isinstance(time.size, int):
        return time
    return Axis(time.name, (time.size + sum(pads) - span) // strides + 1)


def _pooling(kind: str) -> Callable[..., Flow]:
    """A local pool, over the last axis as a convolution; one of all steps is global."""

    def read(about: About, x: Flow) -> Flow:
        name, pads = about["name"], tuple(about.get("pads", (0, 0)))
        if len(x.axes) != 3 or x.axes[1].name != FEATURES:
            raise InputError(f"The operator {name} is not over the steps of features.")
        usual: dict[str, tuple] = {"auto_pad": ("NOTSET", "VALID"), "ceil_mode": (0,)}
        usual |= {
            "dilations": ([1],),
            "count_include_pad": (0,) if any(pads) else (0, 1),
        }
        for key, allowed in usual.items():
            if about.get(key, allowed[0]) not in allowed:
                raise InputError(
                    f"The operator {name} has {key}={about[key]}; allowed is "
                    f"{allowed[0]}."
                )
        (taps,), (strides,) = about["kernel_shape"], about.get("strides", [1])
        if taps == x.axes[2].size and not any(pads):
            return _global_pooling(f"Global{kind}")(about, x)
        settings = {"pool_size": taps, "strides": strides, "pads": pads}
        axes = (*x.axes[:2], _windows(x.axes[2], taps, strides, pads))
        layer = Described(kind, name, settings)
        return x.after(layer, axes=axes, time=x.axes[2].name)

    return read


def _global_pooling(kind: str) -> Callable[..., Flow]:
    """A pool of all steps: the last axis, or the one that is said."""

    def read(about: About, x: Flow, axes: Any = None) -> Flow:
        over = about.get("axes", [2] if axes is None else axes)
        place = int(over[0]) % len(x.axes)
        of_steps = len(x.axes) == 3 and x.axes[place].name == (x.time or "1")
        if len(over) != 1 or not of_steps or x.in_order:
            raise InputError(f"The operator {about['name']} is not over the steps.")
        kept = [Axis(ONE, 1)] * int(about.get("keepdims", 1))
        layer = Described(kind, about["name"])
        found = [*x.axes[:place], *kept, *x.axes[place + 1 :]]
        return x.after(layer, axes=found)

    return read


def _layer_norm(
    about: About, x: Flow, scale: Array, bias: Array | None = None
) -> tuple[Flow, ...]:
    if about.get("axis", -1) % len(x.axes) != len(x.axes) - 1:
        raise InputError(f"The operator {about['name']} is not over the features.")
    settings = {"epsilon": about.get("epsilon", 1e-5), "center": bias is not None}
    weights = [scale] if bias is None else [scale, bias]
    layer = Described("LayerNormalization", about["name"], settings, weights)
    return (x.through(layer),)


def _with_constant(about: About, one: Any, other: Any) -> tuple[Flow, Array, bool]:
    """What is computed with a constant, the constant, and whether it comes second."""
    first = isinstance(one, Flow)
    x, constant = (one, other) if first else (other, one)
    if isinstance(constant, (int, float)):  # of PyTorch
        constant = np.asarray(constant)
    if not isinstance(constant, np.ndarray):
        raise InputError(f"The operator {about['name']} has no constant.")
    return x, constant, first


def _both(about: About, function: Any, one: Flow, other: Flow) -> Flow:
    found = spelled.joined(about, function, one, other)
    if found is None:
        raise InputError(f"The operator {about['name']} is over two ways of layers.")
    return found


def _rescaled(about: About, x: Flow, scale: Any, offset: Any) -> Flow:
    settings = {"scale": np.float32(scale), "offset": np.float32(offset)}
    return x.through(Described("Rescaling", about["name"], settings))


def _subtract(about: About, one: Any, other: Any) -> Flow:
    if isinstance(one, Flow) and isinstance(other, Flow):
        return _both(about, np.subtract, one, other)
    x, constant, first = _with_constant(about, one, other)
    return _rescaled(about, x, *((1, -constant) if first else (-1, constant)))


def _divide(about: About, one: Any, other: Any) -> Flow:
    if isinstance(one, Flow) and isinstance(other, Flow):
        return _both(about, np.divide, one, other)
    x, constant, first = _with_constant(about, one, other)
    if not first:
        raise InputError(f"The operator {about['name']} divides by its input.")
    return _rescaled(about, x, 1 / constant, 0)


def _add(about: About, one: Any, other: Any) -> Flow:
    if isinstance(one, Flow) and isinstance(other, Flow):
        if found := spelled.joined(about, np.add, one, other):
            return found
        for x, y in ((one, other), (other, one)):
            if not y.layers:
                settings = {"columns": y.columns}
                return x.through(Described("Add", about["name"], settings))
        return paired(about["name"], "sum", one, other)
    x, constant, _ = _with_constant(about, one, other)
    return _rescaled(about, x, 1, constant)


def _mul(about: About, one: Any, other: Any) -> Flow:
    if isinstance(one, Flow) and isinstance(other, Flow):
        found = spelled.joined(about, np.multiply, one, other)
        return found or paired(about["name"], "mul", one, other)
    x, constant, _ = _with_constant(about, one, other)
    return _rescaled(about, x, constant, 0)


def _concat(about: About, *parts: Any) -> Flow:
    flows = [part for part in parts if isinstance(part, Flow)]
    axis = about["axis"] % len(flows[0].axes)
    if len(flows) == len(parts) and axis == 0 and all(flow.parts for flow in flows):
        return ends(about["name"], [part for flow in flows for part in flow.parts])
    if len(flows) != 2 or len(parts) != 2 or axis != len(flows[0].axes) - 1:
        raise InputError(f"The operator {about['name']} (Concat) joins other tensors.")
    return paired(about["name"], "concat", *flows)


def _pad(about: About, x: Flow, pads: Any = None, value: Any = None, axes: Any = None):
    """Zeros around the steps, in front of a convolution."""
    name, rank = about["name"], len(x.axes)
    given = np.asarray(about.get("pads", pads), int)
    places = range(rank) if axes is None else [int(axis) % rank for axis in axes]
    around = dict(zip(places, given.reshape(2, -1).T.tolist(), strict=True))
    around = {place: pair for place, pair in around.items() if any(pair)}
    constant = about.get("mode", "constant") == "constant" and not np.any(
        about.get("value", 0) if value is None else value
    )
    steps = [k for k in around if rank == 3 and k and x.axes[k].name != FEATURES]
    least = min(map(min, around.values()), default=0)
    if not constant or steps != [*around] or least < 0:
        raise InputError(
            f"The operator {name} (Pad) adds something else than steps of zeros."
        )
    axes = list(x.axes)
    for place, (before, after) in around.items():
        size = axes[place].size
        size = size + before + after if isinstance(size, int) else size
        axes[place] = axes[place]._replace(size=size)
        layer = Described("ZeroPadding1D", name, {"padding": (before, after)})
        x = x.after(layer, time=axes[place].name)
    return x.with_axes(axes)


def _batch_norm(about: About, x: Flow, *arrays: Array) -> tuple[Flow, ...]:
    if x.axes[1 if len(x.axes) > 1 else 0].name != FEATURES:
        raise InputError(
            f"The operator {about['name']} (BatchNormalization) is not over features."
        )
    settings = {"epsilon": about.get("epsilon", 1e-5)}
    layer = Described("BatchNormalization", about["name"], settings, arrays)
    return (x.after(layer),)


def _function(name: str) -> Callable[..., Flow]:
    def read(about: About, x: Flow) -> Flow:
        settings = {"activation": name}
        return x.through(Described("Activation", about["name"], settings))

    return read


def _with_setting(kind: str, setting: str, usual: float) -> Callable[..., Flow]:
    """A layer of Keras whose parameter ONNX calls alpha."""

    def read(about: About, x: Flow) -> Flow:
        settings = {setting: about.get("alpha", usual)}
        return x.through(Described(kind, about["name"], settings))

    return read


def _celu(about: About, x: Flow) -> Flow:
    alpha = np.asarray(about.get("alpha", 1))
    return _mul(about, _function("elu")(about, _divide(about, x, alpha)), alpha)


def _selu(about: About, x: Flow) -> Flow:
    own = about.get("alpha", SELU_ALPHA), about.get("gamma", SELU_SCALE)
    if not np.allclose(own, (SELU_ALPHA, SELU_SCALE)):
        raise InputError(f"The operator {about['name']} (Selu) has alpha, gamma={own}.")
    return _function("selu")(about, x)


def _swish(about: About, x: Flow) -> Flow:
    if about.get("alpha", 1) != 1:
        raise InputError(f"The operator {about['name']} has alpha={about['alpha']}.")
    return _function("silu")(about, x)


def _gelu(about: About, x: Flow) -> Flow:
    name = "gelu_tanh" if about.get("approximate", "none") == "tanh" else "gelu"
    return _function(name)(about, x)


def _prelu(about: About, x: Flow, slope: Array) -> Flow:
    """Its slopes lie as the features do."""
    if not isinstance(slope, np.ndarray):
        raise InputError(f"The operator {about['name']} has no slopes in the file.")
    if slope.size == 1:
        settings = {"negative_slope": float(slope.item())}
        return x.through(Described("LeakyReLU", about["name"], settings))
    shape = (1,) * (len(x.axes) - slope.ndim) + slope.shape
    wide = [axis.name for axis, size in zip(x.axes, shape, strict=True) if size > 1]
    if wide != [FEATURES]:
        raise InputError(f"The operator {about['name']} is not over the features.")
    return x.after(Described("PReLU", about["name"], weights=[slope.ravel()]))


def _clip(about: About, x: Flow, least: Any = None, most: Any = None) -> Flow:
    """Clip as one of the functions with these bounds, or the line between two."""
    given = [about.get("min", least), about.get("max", most)]
    low, high = (None if bound is None else float(bound) for bound in given)
    known: dict[Any, str] = {(0, 6): "relu6", (-1, 1): "hard_tanh", (0, None): "relu"}
    if (low, high) in known:
        return _function(known[low, high])(about, x)
    if low is None or high is None or not -_MOST < low < high < _MOST:
        raise InputError(
            f"The operator {about['name']} clips at {low} and {high}; allowed are two "
            f"bounds, or 0 alone."
        )
    middle, half = np.asarray((low + high) / 2), np.asarray((high - low) / 2)
    inner = _divide(about, _subtract(about, x, middle), half)
    inner = _function("hard_tanh")(about, inner)
    return _add(about, _mul(about, inner, half), middle)


#: no bound is as large
_MOST = 1e30


def _power(about: About, x: Flow, exponent: Any) -> Flow:
    number = np.ravel(exponent)
    if isinstance(exponent, Flow) or number.size != 1:
        raise InputError(f"The operator {about['name']} has no number as exponent.")
    return spelled.applied(about, x, lambda t: t ** float(number[0]))


def _spelled(function: Callable[[Array], Array]) -> Callable[..., Flow]:
    return lambda about, x: spelled.applied(about, x, function)


def _softmax(about: About, x: Flow) -> Flow:
    if about.get("axis", -1) % len(x.axes) != len(x.axes) - 1:
        raise InputError(f"The operator {about['name']} is not over the features.")
    return _function("softmax")(about, x)


def _log_softmax(about: About, x: Flow) -> Flow:
    """See :func:`slimrnn.ir.traced.model_of_graph`."""
    layer = _softmax(about, x).layers[-1]
    return x.through(replace(layer, kind=LOG_SOFTMAX))


def _hard_sigmoid(about: About, x: Flow) -> Flow:
    name = named_function(
        "HardSigmoid", about.get("alpha", 0.2), about.get("beta", 0.5)
    ).name
    return _function(name)(about, x)


#: of what they get: the attributes, and the inputs
LAYERS: dict[str, Callable[..., Any]] = {
    "Gemm": _gemm,
    "MatMul": _dense,
    "Add": _add,
    "Sub": _subtract,
    "Mul": _mul,
    "Div": _divide,
    "Conv": _conv,
    "AveragePool": _pooling("AveragePooling1D"),
    "MaxPool": _pooling("MaxPooling1D"),
    **dict.fromkeys(
        ("GlobalAveragePool", "ReduceMean"), _global_pooling("GlobalAveragePooling1D")
    ),
    **dict.fromkeys(
        ("GlobalMaxPool", "ReduceMax"), _global_pooling("GlobalMaxPooling1D")
    ),
    "LayerNormalization": _layer_norm,
    "BatchNormalization": _batch_norm,
    "Tanh": _function("tanh"),
    "Sigmoid": _function("sigmoid"),
    "Relu": _function("relu"),
    "HardSigmoid": _hard_sigmoid,
    "LeakyRelu": _with_setting("LeakyReLU", "negative_slope", 0.01),
    "PRelu": _prelu,
    "Elu": _with_setting("ELU", "alpha", 1),
    "Celu": _celu,
    "Selu": _selu,
    "Softplus": _function("softplus"),
    "Softsign": _function("softsign"),
    "Gelu": _gelu,
    "Swish": _swish,
    "HardSwish": _function("hard_silu"),
    "Mish": _function("mish"),
    "Clip": _clip,
    "Neg": lambda about, x: _mul(about, x, np.asarray(-1)),
    "Abs": _spelled(np.abs),
    "Exp": _spelled(np.exp),
    "Log": _spelled(np.log),
    "Erf": _spelled(erf),
    "Pow": _power,
    "Softmax": _softmax,
    "LogSoftmax": _log_softmax,
    "Concat": _concat,
    "Pad": _pad,
}
