"""What the layers for PyTorch share: weights, states, packed sequences, stacks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from slimrnn.errors import InputError
from slimrnn.torch.run import run
from slimrnn.utils.checks import check, number, whole
from slimrnn.variants import CellSpec, Variant
from slimrnn.variants.configured import configured, of_family
from slimrnn.variants.gates import TIE_SCALARS
from slimrnn.variants.time_scales import TimeScale, tie_start


class SlimLayer(nn.Module):
    """What the layers of the families share; see :class:`slimrnn.torch.SlimLSTM`."""

    family: ClassVar[str]
    #: the variant that torch.nn's layer computes, and its gates in torch's order: of
    #: the weights of x, and of those of h
    full: ClassVar[Variant | None] = None
    of_x: ClassVar[tuple[str, ...]] = ()
    of_h: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        bias: bool,
        batch_first: bool,
        dropout: float,
        bidirectional: bool,
        device: Any,
        dtype: torch.dtype | None,
        variant: str | Variant,
        gate_constants: Mapping[str, float] | None,
        time_scale: TimeScale,
        reset_after: bool = False,
    ):
        super().__init__()
        sizes = {"input_size": input_size, "hidden_size": hidden_size}
        for name, size in {**sizes, "num_layers": num_layers}.items():
            whole(name, size, least=1)
        fits = number(dropout) and 0 <= dropout <= 1
        check("dropout", dropout, fits, "a number from 0 to 1")
        self.input_size: int = input_size
        self.hidden_size: int = hidden_size
        self.num_layers: int = num_layers
        self.bias: bool = bias
        self.batch_first: bool = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bool(bidirectional)
        self.time_scale = time_scale
        self.cell: CellSpec = self._specified(variant, gate_constants, reset_after)
        self._names = tuple(self.cell.variant.shapes(1, 1))
        for layer, suffix in self._places():
            features = input_size if layer == 0 else hidden_size * self._directions
            for name, shape in self.cell.variant.shapes(features, hidden_size).items():
                empty = torch.empty(shape, device=device, dtype=dtype)
                self.register_parameter(f"{name}{suffix}", nn.Parameter(empty))
        self.reset_parameters()

    def _specified(self, variant: Any, constants: Any, reset_after: bool) -> CellSpec:
        cell = configured(
            of_family(variant, self.family),
            use_bias=self.bias,
            reset_after=reset_after,
            gate_constants=constants,
            time_scale=self.time_scale,
            vectors=False,
        )
        self._scales = cell.scales
        return cell.spec

    @property
    def _directions(self) -> int:
        return 2 if self.bidirectional else 1

    def _places(self) -> Iterator[tuple[int, str]]:
        """(layer, what the names of its weights end in), as torch calls them."""
        for layer in range(self.num_layers):
            for way in ("", "_reverse")[: self._directions]:
                yield layer, f"_l{layer}{way}"

    def _weights(self, suffix: str) -> dict[str, Tensor]:
        return {name: getattr(self, f"{name}{suffix}") for name in self._names}

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """The weights of each layer and direction."""
        return [list(self._weights(suffix).values()) for _, suffix in self._places()]

    def flatten_parameters(self) -> None:
        """As ``torch.nn.LSTM`` has it; the weights lie together already."""

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Start all weights anew, gate by gate, as the layers for Keras do."""
        n = self.hidden_size
        begin = {
            "kernel": nn.init.xavier_uniform_,
            "recurrent_kernel": nn.init.orthogonal_,
            "recurrent_vector": lambda block: block.normal_(std=n**-0.5),
            "bias": nn.init.zeros_,
        }
        for _, suffix in self._places():
            order = torch.randperm(n, device="cpu")  # of the units' time scales
            paced = self._paced()
            gains = self._scales.gains(self.cell, paced) if self._scales else {}
            for name, weight in self._weights(suffix).items():
                gates = self.cell.variant.blocks(name)
                if name == TIE_SCALARS:
                    weight.copy_(torch.as_tensor(tie_start(self._scales)))
                    continue
                for gate, block in zip(gates, weight.split(n, -1), strict=True):
                    begin[name](block)
                    if name == "bias" and gate in paced:
                        block.copy_(torch.as_tensor(paced[gate])[order])
                    elif name == "recurrent_kernel" and gate in gains:
                        block.mul_(torch.as_tensor(gains[gate])[order])

    def _paced(self) -> dict[str, Any]:
        """The biases that time scales set, short ones first, or that forget little."""
        forget = self.cell.family.forget
        inverse = self.cell.recurrent_activation.inverse
        if self._scales is None or inverse is None:
            return {forget: np.ones(self.hidden_size)} if forget else {}
        return self._scales.biases(self.family, inverse, np.arange(self.hidden_size))

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        """As of ``torch.nn.LSTM`` or ``torch.nn.GRU``: see the class."""
        if isinstance(input, PackedSequence):
            x, lengths = pad_packed_sequence(input, batch_first=True)
            steps = torch.arange(x.shape[1], device=x.device)
            mask = steps < lengths.to(x.device)[:, None]
            outputs, last = self._stacked(x, self._states(hx, x, True), mask)
            return _packed_like(outputs, lengths, input), self._returned(last)
        if not isinstance(input, Tensor) or input.dim() not in (2, 3):
            raise InputError(
                f"The input must be a tensor (steps, features), or that and a batch; "
                f"received {_brief(input)}."
            )
        batched = input.dim() == 3
        x = input if batched else input[None]
        x = x.transpose(0, 1) if batched and not self.batch_first else x
        outputs, last = self._stacked(x, self._states(hx, x, batched), None)
        if not batched:
            return outputs[0], self._returned([state[:, 0] for state in last])
        outputs = outputs if self.batch_first else outputs.transpose(0, 1)
        return outputs, self._returned(last)

    def _states(self, hx: Any, x: Tensor, batched: bool) -> list[Tensor]:
        """The initial states, (layers * directions, B, n) each."""
        names = self.cell.family.states
        shape = (self.num_layers * self._directions, x.shape[0], self.hidden_size)
        if hx is None:
            return [x.new_zeros(shape) for _ in names]
        given = list(hx) if len(names) > 1 else [hx]
        wanted = shape if batched else (shape[0], shape[2])
        fit = [isinstance(each, Tensor) and each.shape == wanted for each in given]
        if fit != [True] * len(names):
            raise InputError(
                f"The initial states ({', '.join(names)}) must have the shape {wanted} "
                f"each; received {', '.join(map(_brief, given))}."
            )
        return [state if batched else state[:, None] for state in given]

    def _returned(self, last: list[Tensor]) -> Any:
        return tuple(last) if len(last) > 1 else last[0]

    def _stacked(
        self, x: Tensor, states: list[Tensor], mask: Tensor | None
    ) -> tuple[Tensor, list[Tensor]]:
        """All layers: x (B, T, m) to the outputs (B, T, n) and the last states."""
        last: list[list[Tensor]] = []
        for layer in range(self.num_layers):
            if layer and self.dropout:
                x = nn.functional.dropout(x, self.dropout, self.training)
            outputs = []
            for way in range(self._directions):
                place = layer * self._directions + way
                given = [state[place] for state in states]
                weights = self._weights(f"_l{layer}{'_reverse' * way}")
                y, after = self._direction(x, given, weights, mask, bool(way))
                outputs.append(y)
                last.append(after)
            x = torch.cat(outputs, -1) if len(outputs) > 1 else outputs[0]
        return x, [torch.stack(state) for state in zip(*last, strict=True)]

    def _direction(self, x, states, weights, mask, backwards):
        if not backwards:
            return run(self.cell, x, states, weights, mask)
        # What pads comes first then, and leaves the initial states as they are.
        turned = None if mask is None else mask.flip(1)
        y, after = run(self.cell, x.flip(1), states, weights, turned)
        return y.flip(1), after

    def _load_from_state_dict(self, state_dict, prefix, *rest):
        """Takes the weights of ``torch.nn``'s layer too, where it computes the same."""
        if f"{prefix}weight_ih_l0" in state_dict:
            try:
                self._translate(state_dict, prefix)
            except InputError as error:
                rest[-1].append(str(error))  # load_state_dict raises it with others
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def _translate(self, state_dict: dict[str, Tensor], prefix: str) -> None:
        variant = self.cell.variant
        full = self.full if self.full is None or self.bias else self.full.without_bias()
        if full is None or dict(variant.items()) != dict(full.items()):
            raise InputError(
                f"The weights of torch.nn's layer do not fit {type(self).__name__} "
                f"with the variant {variant.name} as it is; allowed are SlimLSTM with "
                f"the variant LSTM, and SlimGRU with GRU and reset_after=True."
            )
        for _, suffix in self._places():
            of = {"ih": self.of_x, "hh": self.of_h}
            parts: dict[str, dict[str, Tensor]] = {}
            for name in ("weight_ih", "weight_hh", *["bias_ih", "bias_hh"] * self.bias):
                gates = of[name[-2:]]
                whole_one = state_dict.pop(f"{prefix}{name}{suffix}")
                blocks = whole_one.chunk(len(gates))
                parts[name] = dict(zip(gates, blocks, strict=True))
            places = {"kernel": ["weight_ih"], "recurrent_kernel": ["weight_hh"]}
            for name, sources in {**places, "bias": ["bias_ih", "bias_hh"]}.items():
                sums = [
                    [parts[s][gate] for s in sources if gate in parts[s]]
                    for gate in variant.blocks(name)
                ]
                if sums:
                    whole_one = torch.cat([torch.stack(terms).sum(0) for terms in sums])
                    state_dict[f"{prefix}{name}{suffix}"] = whole_one.t()

    def extra_repr(self) -> str:
        """The arguments that are not usual."""
        usual = {"num_layers": 1, "bias": True, "batch_first": False, "dropout": 0.0}
        usual |= {"bidirectional": False}
        given = {k: getattr(self, k) for k in usual if getattr(self, k) != usual[k]}
        words = [
            f"{self.input_size}, {self.hidden_size}",
            *(f"{k}={v}" for k, v in given.items()),
        ]
        return ", ".join([*words, f"variant={self.cell.variant.name!r}"])


def _brief(given: Any) -> str:
    """What a message says of what should be a tensor."""
    if isinstance(given, Tensor):
        return f"the shape {tuple(given.shape)}"
    return type(given).__name__


def _packed_like(
    outputs: Tensor, lengths: Tensor, given: PackedSequence
) -> PackedSequence:
    """The outputs (B, T, n) in the order of a packed input."""
    if given.sorted_indices is not None:
        outputs = outputs.index_select(0, given.sorted_indices)
        lengths = lengths[given.sorted_indices.cpu()]
    packed = pack_padded_sequence(outputs, lengths, batch_first=True)
    return PackedSequence(
        packed.data, given.batch_sizes, given.sorted_indices, given.unsorted_indices
    )
