"""The recurrent operators of ONNX: LSTM, GRU and RNN."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from slimrnn.errors import InputError
from slimrnn.ir.cells import TORCH, stacked_cell
from slimrnn.ir.described import Described
from slimrnn.ir.directions import ends
from slimrnn.ir.flow import DIRECTIONS, FEATURES, Array, Axis, Filled, Flow, State
from slimrnn.ir.traced import check_order
from slimrnn.ir.weights import RecurrentWeights
from slimrnn.variants import ACTIVATIONS, Activation
from slimrnn.variants.activations import HARD_SIGMOIDS

About = dict[str, Any]  # of an operator: its attributes


@dataclass(frozen=True)
class _Kind:
    """An operator.

    Attributes:
        order: where each of our gates stands among its.
        functions: that one direction has, as they are where nothing is said.
        states: their names.
    """

    order: tuple[int, ...]
    functions: tuple[str, ...]
    states: tuple[str, ...]


KINDS = {
    "LSTM": _Kind((0, 2, 3, 1), ("Sigmoid", "Tanh", "Tanh"), ("h", "c")),
    "GRU": _Kind((0, 1, 2), ("Sigmoid", "Tanh"), ("h",)),
    "RNN": _Kind((0,), ("Tanh",), ("h",)),
}
#: of the direction attribute: whether each direction goes backwards
_WAYS = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}
_REFUSED = {"clip": None, "input_forget": 0, "layout": 0}
#: of the functions, how many parameters each has in the lists
_PARAMETERS = {"HardSigmoid": 2, "Affine": 2, "LeakyRelu": 1, "Elu": 1}


def recurrent(
    kind: str,
    about: About,
    x: Flow,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Array | None = None,
    lengths: Any = None,
    *more: Any,
) -> tuple[Flow, Flow, State]:
    """A recurrent operator's outputs: all steps, the last h, the last c.

    Args:
        kind: of the operator.
        about: its attributes, and its name.
        x: what it goes over: steps, sequences, features.
        kernel: (directions, k n, m), n being the units.
        recurrent_kernel: (directions, k n, n).
        bias: (directions, 2 k n).
        lengths: of the sequences.
        more: the first h, the first c, peepholes.

    Raises:
        InputError: what the IR's layers do not have.
    """
    name = about["name"]
    for key, usual in _REFUSED.items():
        if about.get(key, usual) != usual:
            raise InputError(
                f"The layer {name} has {key}={about[key]}; allowed is {usual}."
            )
    if lengths is not None or any(each is not None for each in more[2:]):
        raise InputError(
            f"The layer {name} has lengths of sequences or peepholes; allowed are "
            f"neither."
        )
    ways = _WAYS[about.get("direction", "forward")]
    functions = [*_functions(kind, about, len(ways))]
    each = len(functions) // len(ways)
    layers = []
    for way, backwards in enumerate(ways):
        biases = () if bias is None else np.split(bias[way], 2)
        used = functions[way * each : (way + 1) * each]
        cell = _cell(
            name, kind, about, used, (kernel[way], recurrent_kernel[way]), biases
        )
        settings = {
            "return_sequences": True,
            "go_backwards": backwards,
            "initial": initial_states(name, KINDS[kind].states, more[:2], way),
        }
        called = name if len(ways) == 1 else f"{name}_{way}"
        layers.append(Described("RNN", called, settings, cell=cell))
    return _outputs(name, x, layers, recurrent_kernel.shape[-1])


def named_function(
    kind: str, alpha: float | None = None, beta: float | None = None
) -> Activation:
    """The activation of an operator, or of an entry in a list of them."""
    if kind.lower() in ("tanh", "sigmoid", "relu"):
        return ACTIVATIONS[kind.lower()]
    slope, middle = (0.2 if alpha is None else alpha), (0.5 if beta is None else beta)
    for name, usual in HARD_SIGMOIDS.items():
        if kind == "HardSigmoid" and np.isclose(slope, usual) and middle == 0.5:
            return ACTIVATIONS[name]
    if kind == "Affine" and (alpha, beta) in ((1.0, 0.0), (None, None)):
        return ACTIVATIONS["linear"]
    raise InputError(
        f"The activation {kind} (alpha {alpha}, beta {beta}) cannot be read; allowed: "
        f"{', '.join(ACTIVATIONS)}."
    )


def _functions(kind: str, about: About, directions: int) -> Iterator[Activation]:
    """The functions of all directions, each with its parameters."""
    names = about.get("activations") or KINDS[kind].functions * directions
    alphas, betas = (
        list(about.get(f"activation_{key}", [])) for key in ("alpha", "beta")
    )
    for name in names:
        takes = _PARAMETERS.get(name, 0)
        alpha = alphas.pop(0) if takes and alphas else None
        yield named_function(name, alpha, betas.pop(0) if takes > 1 and betas else None)


def _cell(
    name: str,
    kind: str,
    about: About,
    functions: list[Activation],
    weights: tuple[Array, Array],
    biases: Any,
) -> RecurrentWeights:
    """The cell of one direction."""
    *gates, activation = functions if kind != "LSTM" else functions[:2]
    variant, _ = TORCH[kind]
    if kind == "LSTM" and functions[1] != functions[2]:
        variant = replace(variant, state_activation=functions[2].name)
    if kind == "GRU" and about.get("linear_before_reset"):
        variant = variant.with_reset_after()
    gate = gates[0] if gates else ACTIVATIONS["linear"]
    order = KINDS[kind].order
    return stacked_cell(name, variant, order, (activation, gate), weights, biases)


def initial_states(
    name: str, states: tuple[str, ...], given: tuple, way: int = 0
) -> dict[str, Array] | None:
    """The states before the first step, where they are not zeros."""
    found = {}
    for state, value in zip(states, given, strict=False):
        if isinstance(value, Filled):
            value = value.values
        if value is None or (isinstance(value, State) and value.is_input):
            continue
        if not isinstance(value, np.ndarray) or value.ndim not in (1, 2, 3):
            raise InputError(f"The layer {name} has a first state that it computes.")
        if value.any():
            row = value.reshape(-1, value.shape[-1])
            if value.ndim == 3 and value.shape[1] != 1:
                raise InputError(f"The layer {name} has first states by sequence.")
            found[state] = row[way % len(row)]
    if not found:
        return None
    zeros = np.zeros(len(next(iter(found.values()))), "float32")
    return {state: found.get(state, zeros) for state in states}


def _outputs(
    name: str, x: Flow, layers: list[Described], units: int
) -> tuple[Flow, Flow, State]:
    """Y, the last h, and the last c of a recurrent operator."""
    time, batch, _ = x.axes
    last = Axis(FEATURES, units)
    parts = []
    for layer in layers:
        end = replace(layer, settings={**layer.settings, "return_sequences": False})
        parts.append(Flow((batch, last), (*x.layers, end), time=time.name))
    found = tuple(layers)
    if len(layers) > 1:
        found = (Described("Bidirectional", name, inner=found),)
    whole = Flow(
        (time, Axis(DIRECTIONS, len(layers)), batch, last),
        (*x.layers, *found),
        time=time.name,
        in_order=len(layers) == 1 and bool(layers[0].get("go_backwards")),
    )
    return whole, ends(name, parts), State(f"{name}'s last c")


def check_steps(name: str, x: Flow) -> None:
    """Refuses what a recurrent operator cannot go over, or what went another way."""
    check_order(x)
    if len(x.axes) != 3 or x.axes[2].name != FEATURES:
        raise InputError(f"The layer {name} gets no sequence of features.")
    if x.time not in ("", x.axes[0].name):
        raise InputError(f"The layer {name} goes over another axis than before.")
