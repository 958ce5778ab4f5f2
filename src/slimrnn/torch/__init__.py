"""Slim layers for PyTorch, in the place of ``torch.nn.LSTM`` and ``torch.nn.GRU``.

They are called as those are and return what those return; no Keras is imported. On the
CPU, float32 goes through the library in C; on any other device, in any other type,
without the library, and where torch has to see operations of its own, it computes step
by step: ``torch.func``, forward mode, the gradient of a gradient, ``torch.jit.trace``,
``torch.onnx.export``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch

from slimrnn import variants
from slimrnn.torch.layer import SlimLayer
from slimrnn.utils.checks import check
from slimrnn.variants import Variant
from slimrnn.variants.time_scales import TimeScale

__all__ = ["SlimGRU", "SlimLSTM", "SlimMGU"]


class SlimLSTM(SlimLayer):
    """A slim LSTM: ``torch.nn.LSTM`` with the gates of a variant.

    ``c_t = f * c_(t-1) + i * tanh(...)``, ``h_t = o * tanh(c_t)``; which terms the
    gates i, f, o and the cell input have is the variant's row in the table
    (``slimrnn.get(variant).equations()``). ``SlimLSTM(m, n, variant="LSTM")`` takes
    the weights of ``torch.nn.LSTM(m, n)`` and computes the same.

    Args:
        input_size: m, the features of a step.
        hidden_size: n, the number of units.
        num_layers: layers, each over the outputs of the one before.
        bias: whether gates have the biases of the variant.
        batch_first: whether x and the outputs are (B, T, ...) and not (T, B, ...).
        dropout: the share of outputs dropped between layers in training.
        bidirectional: whether each layer goes backwards too; outputs are (..., 2n).
        proj_size: must be 0.
        device: of the weights.
        dtype: of the weights.
        variant: a name of the table or a :class:`slimrnn.Variant`.
        gate_constants: other values for constant gates, such as ``{"f": 0.59}``.
        time_scale: how long units remember at the start, in steps: a number, a pair
            (low, high), ``"auto"``, which is (1, 100), or None, the published start.
            Constant gates get the geometric middle.

    Call arguments:
        input: (T, B, m), (T, m), or a ``PackedSequence``.
        hx: h_0 and c_0, (layers * directions, B, n) each; zeros if not given.

    Returns:
        The outputs of the last layer, as the input is given, and (h_n, c_n).

    Raises:
        InputError: an unknown variant or one of another family, sizes below 1, a
            proj_size; when called, a shape that does not fit.

    Example:
        >>> outputs, (h, c) = SlimLSTM(3, 4, variant="LSTM6")(torch.ones(5, 2, 3))
        >>> tuple(outputs.shape), tuple(h.shape)
        ((5, 2, 4), (1, 2, 4))
    """

    family, full = "lstm", variants.get("LSTM")
    of_x = of_h = ("i", "f", "c", "o")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: torch.dtype | None = None,
        *,
        variant: str | Variant = "LSTM6",
        gate_constants: Mapping[str, float] | None = None,
        time_scale: TimeScale = "auto",
    ):
        check("proj_size", proj_size, proj_size == 0, "0: slim layers have none")
        super().__init__(
            *(input_size, hidden_size, num_layers, bias, batch_first, dropout),
            *(bidirectional, device, dtype, variant, gate_constants, time_scale),
        )


class _SlimUnit(SlimLayer):
    """A layer of one state, as ``torch.nn.GRU`` has it."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: torch.dtype | None = None,
        *,
        variant: str | Variant = "",
        reset_after: bool = False,
        gate_constants: Mapping[str, float] | None = None,
        time_scale: TimeScale = "auto",
    ):
        super().__init__(
            *(input_size, hidden_size, num_layers, bias, batch_first, dropout),
            *(bidirectional, device, dtype, variant or self.usual),
            *(gate_constants, time_scale, reset_after),
        )

    usual: ClassVar[str]


class SlimGRU(_SlimUnit):
    """A slim GRU: ``torch.nn.GRU`` with the gates of a variant, by default GRU3.

    ``h_t = z * h_(t-1) + (1 - z) * tanh(W x + U (r * h_(t-1)) + b)``: r resets h before
    the product, as in the papers. With ``reset_after=True`` it resets the product,
    ``r * (U h_(t-1) + b_n)``, as ``torch.nn.GRU`` does: ``SlimGRU(m, n, variant="GRU",
    reset_after=True)`` takes its weights and computes the same. All other arguments and
    results are those of :class:`SlimLSTM`, with h_0 for (h_0, c_0) and h_n for
    (h_n, c_n).

    Example:
        >>> outputs, h = SlimGRU(3, 4, variant="GRU3")(torch.ones(5, 2, 3))
        >>> tuple(outputs.shape), tuple(h.shape)
        ((5, 2, 4), (1, 2, 4))
    """

    family, usual = "gru", "GRU3"
    full = variants.get("GRU").with_reset_after()
    of_x, of_h = ("r", "z", "c"), ("r", "z", "n")


class SlimMGU(_SlimUnit):
    """A slim MGU, called as ``torch.nn.GRU``, by default MGU3.

    ``h_t = (1 - f) * h_(t-1) + f * tanh(W x + U (f * h_(t-1)) + b)``. Arguments and
    results are those of :class:`SlimGRU`.

    Example:
        >>> tuple(SlimMGU(3, 4)(torch.ones(5, 2, 3))[1].shape)
        (1, 2, 4)
    """

    family, usual = "mgu", "MGU3"
