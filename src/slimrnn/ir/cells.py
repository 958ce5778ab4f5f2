"""Other libraries' cells as rows of the table, and how they pack their weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from slimrnn.errors import InputError
from slimrnn.ir.data import one_of
from slimrnn.ir.described import Described
from slimrnn.ir.weights import RecurrentWeights
from slimrnn.variants import (
    ACTIVATIONS,
    FAMILIES,
    Activation,
    CellSpec,
    Gate,
    Variant,
    get,
)
from slimrnn.variants.configured import configured, of_family
from slimrnn.variants.table import FULL

Array = np.ndarray

#: h = 0 * h + 1 * g(W x + U (1 * h) + b)
SIMPLE_RNN = Variant("SimpleRNN", "mgu", {"f": Gate(constant=1.0), "c": FULL})

#: Keras's cells by the layer's class; the weights of the first three are packed as ours
CELLS: dict[str, Variant] = {
    "LSTM": get("LSTM"),
    "GRU": get("GRU"),
    "SimpleRNN": SIMPLE_RNN,
    "CuDNNLSTM": get("LSTM"),
    "CuDNNGRU": get("GRU"),
}
_NO_BIAS = {name: row.without_bias() for name, row in CELLS.items()}


def keras_cell(layer: Described) -> RecurrentWeights:
    """The cell of a recurrent layer of Keras."""
    use_bias = layer.get("use_bias", True)
    names = ("kernel", "recurrent_kernel", *(("bias",) if use_bias else ()))
    weights = dict(zip(names, layer.arrays(*names), strict=True))
    variant = (CELLS if use_bias else _NO_BIAS)[layer.kind]
    if layer.kind in _PACKED:
        weights = _PACKED[layer.kind](layer, weights)
    if variant.family == "gru" and layer.get("reset_after", layer.kind == "CuDNNGRU"):
        variant = variant.with_reset_after()
        if use_bias:
            bias = weights["bias"]
            if bias.ndim != 2 or len(bias) != 2 or bias.shape[1] % 3:
                raise InputError(
                    f"The layer {layer} has reset_after=True and a bias of the shape "
                    f"{bias.shape}; expected (2, 3 units)."
                )
            weights["bias"] = one_bias(*bias)
    function, gates = _functions(layer)
    if layer.kind == "SimpleRNN":  # which has no gate
        gates = ACTIVATIONS["linear"]
    return cell_of(layer, CellSpec(variant, function, gates), weights)


#: slimrnn's layers by their class: the family
SLIM_CELLS = {"SlimLSTM": "lstm", "SlimGRU": "gru", "SlimMGU": "mgu"}


def slim_cell(layer: Described) -> RecurrentWeights:
    """The cell of one of slimrnn's layers, from its arguments."""
    cell = configured(
        of_family(layer.get("variant"), SLIM_CELLS[layer.kind]),
        _functions(layer),
        use_bias=layer.get("use_bias", True),
        reset_after=layer.get("reset_after", False),
        gate_constants=layer.get("gate_constants"),
        time_scale=layer.get("time_scale"),
    )
    vectors = ("constant_vectors",) if cell.vectors else ()
    names = [*cell.trained.shapes(1, 1), *vectors]
    weights = dict(zip(names, layer.arrays(*names), strict=True))
    if cell.vectors:
        values = [weights[name] for name in ("bias", *vectors) if name in weights]
        have = (*cell.trained.blocks("bias"), *cell.vectors)
        parts = np.split(np.concatenate(values), len(have))
        blocks = dict(zip(have, parts, strict=True))
        wanted = cell.spec.variant.blocks("bias")
        weights["bias"] = np.concatenate([blocks[gate] for gate in wanted])
        del weights["constant_vectors"]
    return cell_of(layer, cell.spec, weights)


def _functions(layer: Described) -> tuple[Activation, Activation]:
    """The activation and the recurrent one."""
    found = []
    for what, usual in (("activation", "tanh"), ("recurrent_activation", "sigmoid")):
        name = layer.get(what, usual)
        one_of(f"The layer {layer} has the {what.replace('_', ' ')}", name, ACTIVATIONS)
        found.append(ACTIVATIONS[name])
    return found[0], found[1]


def cell_of(
    layer: object, spec: CellSpec, weights: dict[str, Array]
) -> RecurrentWeights:
    """The cell, or a sentence that names the layer."""
    try:
        return RecurrentWeights(spec, weights)
    except InputError as error:
        raise InputError(f"The layer {layer} cannot be read. {error}") from error


def one_bias(outer: Array, inner: Array) -> Array:
    """The bias (4n,) for z, r, the candidate and n of a GRU with reset_after.

    z and r add both of theirs, (3n,) each; the candidate's second one is that of n.
    """
    n = len(inner) // 3
    both = outer[: 2 * n] + inner[: 2 * n]
    return np.concatenate([both, outer[2 * n :], inner[2 * n :]])


#: the layers of PyTorch: their cell, and where each of our gates stands among theirs
TORCH: dict[str, tuple[Variant, tuple[int, ...]]] = {
    "LSTM": (get("LSTM"), (0, 1, 2, 3)),
    "GRU": (get("GRU"), (1, 0, 2)),
    "RNN": (SIMPLE_RNN, (0,)),
}


def torch_cell(
    layer: object,
    kind: str,
    weights: Iterable[Array],
    biases: Iterable[Array] = (),
    activation: str = "tanh",
) -> RecurrentWeights:
    """The cell of one layer and direction of PyTorch.

    Args:
        layer: what a message calls it.
        kind: ``"LSTM"``, ``"GRU"`` or ``"RNN"``.
        weights: ``weight_ih`` (k n, m) and ``weight_hh`` (k n, n).
        biases: ``bias_ih`` and ``bias_hh``, (k n,) each; or none.
        activation: of an RNN.
    """
    variant, order = TORCH[kind]
    if kind == "GRU":
        variant = variant.with_reset_after()
    functions = ACTIVATIONS[activation], ACTIVATIONS["sigmoid"]
    return stacked_cell(layer, variant, order, functions, weights, biases)


def stacked_cell(
    layer: object,
    variant: Variant,
    order: tuple[int, ...],
    functions: tuple[Activation, Activation],
    weights: Iterable[Array],
    biases: Iterable[Array] = (),
) -> RecurrentWeights:
    """A cell whose gates' matrices stand one below the other, as PyTorch and ONNX do.

    Args:
        layer: what a message calls it.
        variant: full, with its bias.
        order: where each of the variant's gates stands.
        functions: the activation and the recurrent one.
        weights: (k n, m) and (k n, n).
        biases: that of x and that of h, (k n,) each; or none.
    """

    def packed(array: Array) -> Array:
        if array.ndim < 1 or len(array) % len(order):
            raise InputError(
                f"The layer {layer} has a weight of the shape {array.shape}; expected "
                f"rows in {len(order)} blocks."
            )
        parts = np.split(array, len(order))
        return np.ascontiguousarray(np.concatenate([parts[k] for k in order]).T)

    kernel, recurrent_kernel = (packed(matrix) for matrix in weights)
    found = {"kernel": kernel, "recurrent_kernel": recurrent_kernel}
    both = [packed(bias) for bias in biases]
    if both:
        joined = one_bias if FAMILIES[variant.family].product else np.add
        found["bias"] = joined(*both)
    else:
        variant = variant.without_bias()
    if variant.family == SIMPLE_RNN.family:  # which has no gate
        functions = functions[0], ACTIVATIONS["linear"]
    return cell_of(layer, CellSpec(variant, *functions), found)


def _cudnn(layer: Described, weights: dict[str, Array]) -> dict[str, Array]:
    """What cuDNN's layers save: each gate's matrix lies as (n, m), under (m, n)."""
    gates = 4 if layer.kind == "CuDNNLSTM" else 3
    found = {}
    for name in ("kernel", "recurrent_kernel"):
        matrix = weights[name]
        if matrix.ndim != 2 or matrix.shape[1] % gates:
            raise InputError(
                f"The layer {layer} has a {name} of the shape {matrix.shape}; expected "
                f"{gates} blocks side by side."
            )
        blocks = np.split(matrix, gates, axis=1)
        found[name] = np.hstack([b.reshape(b.shape[::-1]).T for b in blocks])
    if "bias" in weights:
        two = weights["bias"].reshape(2, -1)
        found["bias"] = two if gates == 3 else two.sum(0)
    return found


_PACKED: dict[str, Callable[[Described, dict[str, Array]], dict[str, Array]]] = {
    "CuDNNLSTM": _cudnn,
    "CuDNNGRU": _cudnn,
}
