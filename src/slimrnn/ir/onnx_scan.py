"""The operator Scan as our exporter writes it: what it says about itself, and back.

Its body is a cell's step, so the products with x stand before it, and numbers are as
the step needs them: of a gate that is the same at each step, its value. The node's
documentation says which cell it is and where its weights lie; a digest holds both
together.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from slimrnn.errors import InputError
from slimrnn.ir.cells import cell_of
from slimrnn.ir.described import Described
from slimrnn.ir.flow import FEATURES, Array, Axis, Flow, Mask, State
from slimrnn.ir.layers import Recurrent
from slimrnn.ir.onnx_recurrent import About, initial_states
from slimrnn.ir.onnx_values import Body
from slimrnn.variants import ACTIVATIONS, CANDIDATE, CellSpec
from slimrnn.variants.gates import TIE_SCALARS
from slimrnn.variants.table import get, serialize

#: from here on, an activation that only comes near to a value has it in float32
_FAR = 40.0


def described(
    layer: Recurrent,
    tables: Mapping[str, Array],
    held: Mapping[str, Array],
    body: bytes,
) -> str:
    """What the node of a layer says about itself.

    Args:
        layer: what is written.
        tables: of its step, (gates n, ...) each, by the weight's name.
        held: the arrays in the body by name, and those of :func:`before_loop`.
        body: as it is in the file.
    """
    spec, n = layer.cell.spec, layer.outputs
    about = {
        "variant": serialize(spec.variant),
        "activation": spec.activation.name,
        "recurrent_activation": spec.recurrent_activation.name,
        "units": n,
        "zero_masked": layer.zero_masked,
        "weights": {
            name: [_place(held, block.T) for block in np.split(table, len(table) // n)]
            for name, table in tables.items()
        },
        TIE_SCALARS: layer.cell.weights.get(TIE_SCALARS, np.zeros(0)).tolist(),
    }
    return json.dumps({**about, "sha256": _digest(about, body)})


def before_loop(products: Iterable[tuple[Array, Array | None]]) -> dict[str, Array]:
    """The matrix and the bias of each product with x, by the names that they have."""
    held: dict[str, Array] = {}
    for k, (kernel, bias) in enumerate(products):
        held[f"kernel {k}"] = kernel
        if bias is not None:
            held[f"bias {k}"] = bias
    return held


def _place(held: Mapping[str, Array], block: Array) -> tuple[str, int] | None:
    """The array that holds a block and its place in it; None: the step has no use."""
    n = block.shape[-1]
    for name, array in held.items():
        if array.shape[:-1] == block.shape[:-1] and array.ndim:
            for first in range(0, array.shape[-1], n):
                if np.array_equal(array[..., first : first + n], block):
                    return name, first
    return None


def _digest(about: Mapping[str, Any], body: bytes) -> str:
    return hashlib.sha256(json.dumps(about).encode() + body).hexdigest()


def scan(about: About, *given: Any) -> tuple[Any, ...]:
    """The outputs: the last states, and all steps.

    Args:
        about: the node's attributes, its name and its documentation.
        given: the first states, the products with x, and which steps are masked.

    Raises:
        InputError: another Scan than ours.
    """
    name, body = about["name"], about["body"]
    known = _known(about["doc_string"], body)
    if known is None:
        raise InputError(
            f"The operator {name} (Scan) is not as slimrnn writes it; allowed is that "
            f"of a file of slimrnn which has not been changed since."
        )
    mask = next((x for x in given if isinstance(x, Mask)), None)
    sequences = [x for x in given if isinstance(x, Flow)]
    x, held = _before(name, sequences)
    cell = _cell(name, known, {**body.arrays, **held})
    states = cell.spec.family.states
    backwards, *_ = about["scan_input_directions"]
    settings = {
        "return_sequences": True,
        "go_backwards": bool(backwards),
        "zero_output_for_mask": known["zero_masked"],
        "initial": initial_states(name, states, given[: len(states)]),
    }
    layer = Described("SlimRNN", name.removesuffix("_Scan"), settings, cell=cell)
    end = replace(layer, settings={**settings, "return_sequences": False})
    batch, time, _ = x.axes
    x = replace(x, time=time.name, mask=mask or x.mask)
    last, units = Axis(FEATURES, cell.units), cell.units
    whole = replace(x, in_order=bool(about["scan_output_directions"][0]))
    finals = {"h": replace(x, axes=(batch, last), layers=(*x.layers, end))}
    return (
        *(finals.get(each, State(f"{name}'s last {each}")) for each in states),
        whole.through(layer, units),
    )


def _known(documentation: str, body: Body) -> dict[str, Any] | None:
    """What a node says about itself, where that is true."""
    try:
        known = json.loads(documentation)
        digest = known.pop("sha256")
    except (ValueError, KeyError, AttributeError):
        return None
    return known if digest == _digest(known, body.content) else None


def _before(name: str, sequences: list[Flow]) -> tuple[Flow, dict[str, Array]]:
    """What the products take, and their weights."""
    products: list[tuple[Array, Array | None]] = []
    found: list[Flow] = []
    for x in sequences:
        (*before, last), bias = x.layers, None
        if last.kind == "Rescaling":
            bias = np.asarray(last.get("offset"))
            *before, last = before
        if last.kind != "Dense" or len(x.axes) != 3 or x.axes[2].name != FEATURES:
            raise InputError(f"The layer {name} gets no product with a sequence.")
        products.append((last.weights[0], bias))
        found.append(replace(x, layers=tuple(before)))
    one, *others = found
    if any(x.layers != one.layers for x in others):
        raise InputError(f"The layer {name} gets products with several sequences.")
    if one.in_order or one.time not in ("", one.axes[1].name):
        raise InputError(f"The layer {name} goes over another axis or order.")
    return one, before_loop(products)


def _cell(name: str, known: dict[str, Any], held: Mapping[str, Array]) -> Any:
    """The cell with its weights, packed."""
    functions = [ACTIVATIONS[known[k]] for k in ("activation", "recurrent_activation")]
    spec, n = CellSpec(get(known["variant"]), *functions), known["units"]
    wanted = spec.variant.shapes(1, n)

    def block(weight: str, place: tuple[str, int] | None) -> Array:
        if place is None:
            return np.zeros((*wanted.get(weight, (n,))[:-1], n))
        found, first = place
        return held[found][..., first : first + n]

    blocks = {
        weight: [block(weight, place) for place in places]
        for weight, places in known["weights"].items()
    }
    blocks["bias"] = _biases(spec, blocks)
    blocks[TIE_SCALARS] = [np.array(known[TIE_SCALARS])]
    weights = {k: np.concatenate(blocks[k], -1).astype("float32") for k in wanted}
    return cell_of(name, spec, weights)


def _biases(spec: CellSpec, blocks: Mapping[str, list[Array]]) -> list[Array]:
    """The biases, of which the step has some as a gate's value, or as a difference."""
    variant, function = spec.variant, spec.recurrent_activation
    left = {key: iter(blocks.get(key, ())) for key in ("bias", "gate")}
    found: dict[str, Array] = {}
    for gate in variant.blocks("bias"):
        is_static = variant[gate].is_static
        found[gate] = next(left["gate" if is_static else "bias"])
        if is_static:
            with np.errstate(all="ignore"):
                bias = function.inverse(found[gate].astype(float))
            found[gate] = np.clip(np.nan_to_num(bias), -_FAR, _FAR)
    for gate in variant.shared:
        found[gate] = found[gate] + found.get(CANDIDATE, 0)
    return list(found.values())
