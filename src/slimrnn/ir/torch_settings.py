"""What a PyTorch module's tensors do not say: its settings, in Keras's words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slimrnn.errors import InputError

Module = Any  # torch.nn.Module
Settings = dict[str, Any]


def _only(name: str, module: Module, **allowed: Any) -> None:
    """Refuse other settings than these."""
    for key, value in allowed.items():
        if (given := getattr(module, key)) != value:
            raise InputError(
                f"The module {name} has {key}={given!r}; allowed is {value!r}."
            )


def _one(setting: Any) -> int:
    """A number, which PyTorch holds as a tuple of one too."""
    return setting[0] if isinstance(setting, tuple) else setting


def _normalized(name: str, module: Module) -> Settings:
    return {"epsilon": module.eps}


def _layer_norm(name: str, module: Module) -> Settings:
    *more, features = module.normalized_shape
    if more:
        raise InputError(
            f"The module {name} has normalized_shape={module.normalized_shape}; "
            f"allowed are the features alone."
        )
    return {"epsilon": module.eps, "features": features}


def _convolution(name: str, module: Module) -> Settings:
    _only(name, module, padding_mode="zeros")
    ((stride,), (dilation,), (taps,)) = (
        *(module.stride, module.dilation, module.kernel_size),
    )
    both = (taps - 1) * dilation if module.padding == "same" else 0
    padding = (both // 2, both - both // 2)
    if not isinstance(module.padding, str):
        padding = (*module.padding, *module.padding)
    return {
        "padding": padding,
        "strides": stride,
        "dilation_rate": dilation,
        "groups": module.groups,
    }


def _pool(**allowed: Any) -> Callable[[str, Module], Settings]:
    """Of a local pool, which leaves out what is before and behind a sequence."""

    def settings(name: str, module: Module) -> Settings:
        around = _one(module.padding)
        counts = {"count_include_pad"} if not around else set()
        _only(name, module, **{k: v for k, v in allowed.items() if k not in counts})
        taps = _one(module.kernel_size)
        pads = (around, around)
        return {"pool_size": taps, "strides": _one(module.stride), "pads": pads}

    return settings


#: by the module's class
SETTINGS: dict[str, Callable[[str, Module], Settings]] = {
    "RNN": lambda name, module: {"activation": module.nonlinearity},
    "BatchNorm1d": _normalized,
    "LayerNorm": _layer_norm,
    "Conv1d": _convolution,
    "MaxPool1d": _pool(ceil_mode=False, return_indices=False, dilation=1),
    "AvgPool1d": _pool(ceil_mode=False, count_include_pad=False),
}
#: the modules of a window of steps; their axis of time is the last one
OF_WINDOW = ("Conv1d", "MaxPool1d", "AvgPool1d")


def steps(kind: str, module: Module) -> int:
    """How many steps a module takes for one."""
    if kind not in OF_WINDOW:
        return 1
    dilation = _one(getattr(module, "dilation", 1))
    return _one(module.stride) + (_one(module.kernel_size) - 1) * dilation
