"""The oracle: every equation as a float64 NumPy loop, forward and backward.

No cleverness: one step at a time and one gate at a time, on unpacked weights. The
engines are tested against it, and its gradients against central differences.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from slimrnn.variants import CANDIDATE, CellSpec, Variant, get
from slimrnn.variants.activations import SIGMOID
from slimrnn.variants.activations import get as activation_of
from slimrnn.variants.gates import TIE_SCALARS

Array = np.ndarray
Arrays = dict[str, Array]


@dataclass(frozen=True)
class Result:
    """What a sequence gives.

    Attributes:
        outputs: h of each step, (B, T, n).
        states: the last states by name, (B, n) each.
        steps: what each step computed, for :func:`gradients`.
    """

    outputs: Array
    states: Arrays
    steps: list[Arrays]


def run(
    variant: str | Variant,
    x: Array,
    weights: Mapping[str, Array],
    initial: Mapping[str, Array] | None = None,
    *,
    mask: Array | None = None,
    recurrent_mask: Array | None = None,
    activation: str = "tanh",
    recurrent_activation: str = "sigmoid",
) -> Result:
    """Run a variant over a sequence, step by step.

    Args:
        variant: a name of the table or a Variant.
        x: (B, T, m).
        weights: packed, by name, shaped as ``Variant.shapes`` says.
        initial: the initial states by name, (B, n) each; zeros if not given.
        mask: (B, T); a False step keeps the states.
        recurrent_mask: (B, n), multiplied with h wherever a gate reads it.
        activation: g, a key of ``slimrnn.variants.ACTIVATIONS``.
        recurrent_activation: s, likewise.

    Example:
        >>> weights = {k: np.ones(s) for k, s in get("LSTM6").shapes(1, 1).items()}
        >>> run("LSTM6", np.ones((1, 2, 1)), weights).outputs.round(4).ravel()
        array([0.7461, 0.8804])
    """
    variant = get(variant)
    blocks = _blocks(variant, {k: np.asarray(w, float) for k, w in weights.items()})
    units = next(iter(blocks[CANDIDATE].values())).shape[-1]
    batch, length, _ = x.shape
    spec = _spec(variant, activation, recurrent_activation)
    names = spec.family.states
    states = {
        name: np.zeros((batch, units)) if initial is None else np.array(initial[name])
        for name in names
    }
    outputs, steps = np.zeros((batch, length, units)), []
    for t in range(length):
        step = _step(spec, blocks, x[:, t], states, recurrent_mask)
        steps.append(step)
        keep = np.ones((batch, 1), bool) if mask is None else mask[:, t, None]
        states = {k: np.where(keep, step[f"new {k}"], states[k]) for k in names}
        outputs[:, t] = states["h"]
    return Result(outputs, states, steps)


def _blocks(variant: Variant, weights: Arrays) -> dict[str, Arrays]:
    """Each gate's weights, as views; a shared gate has the candidate's but the bias."""
    blocks = variant.split(weights)
    lent = {k: block for k, block in blocks[CANDIDATE].items() if k != "bias"}
    return {k: {**lent, **b} if variant[k].shared else b for k, b in blocks.items()}


def _spec(variant, activation="tanh", recurrent_activation="sigmoid", **_) -> CellSpec:
    return CellSpec(
        variant, activation_of(activation), activation_of(recurrent_activation)
    )


def _step(spec: CellSpec, blocks, x, states, recurrent_mask) -> Arrays:
    """One step; the result holds every quantity by name."""
    h, family = states["h"], spec.family
    seen = h if recurrent_mask is None else h * recurrent_mask
    step: Arrays = {"x": x, "h": h, "seen": seen}
    for gate in _order(spec):
        resets = gate == CANDIDATE and family.reset
        read = step[family.reset] * seen if resets and not family.product else seen
        step[f"{gate} read"] = read
        row = spec.variant[gate]
        if row.constant is not None:
            step[gate] = np.full_like(h, row.constant)
            continue
        if row.complement:
            step[gate] = row.tied(step[row.complement], _tie(blocks[gate]))
            continue
        pre = np.zeros_like(h)
        if resets and family.product:
            pre = pre + step[family.reset] * step[family.product]
        for weight, block in blocks[gate].items():
            pre = pre + _term(weight, block, x, read)
        step[gate] = spec.used(gate).function(pre)
    if family.rule == "accumulate":
        step["old c"] = states["c"]
        step["new c"] = step["f"] * states["c"] + step["i"] * step[CANDIDATE]
        step["activated"] = spec.of_state.function(step["new c"])
        step["new h"] = step["o"] * step["activated"]
    else:
        update = step[family.update] if family.keeps else 1 - step[family.update]
        step["new h"] = update * h + (1 - update) * step[CANDIDATE]
    return step


def _tie(block: Arrays) -> Array | None:
    """What scales and translates a tie; None where nothing does."""
    return SIGMOID.function(block[TIE_SCALARS]) if TIE_SCALARS in block else None


def _order(spec: CellSpec) -> list[str]:
    """The gates, each after what it is computed from."""
    late = (CANDIDATE, spec.variant.tied)
    return [*(k for k in spec.family.gates if k not in late), *filter(None, late)]


def _term(weight: str, block: Array, x: Array, read: Array) -> Array:
    if weight == "kernel":
        return x @ block
    if weight == "recurrent_kernel":
        return read @ block
    return read * block if weight == "recurrent_vector" else block


def gradients(
    variant: str | Variant,
    x: Array,
    weights: Mapping[str, Array],
    initial: Mapping[str, Array],
    doutputs: Array,
    dstates: Mapping[str, Array],
    **settings,
) -> Arrays:
    """The gradients of ``sum(outputs * doutputs) + sum(states * dstates)``.

    Of these two factors, the first is (B, T, n) and the second has (B, n) for each
    state, by name. All other arguments are those of :func:`run`.

    Returns:
        The gradients of ``x``, of each weight (packed) and of each initial state, by
        name.
    """
    variant = get(variant)
    result = run(variant, x, weights, initial, **settings)
    spec = _spec(variant, **settings)
    mask, recurrent_mask = settings.get("mask"), settings.get("recurrent_mask")
    packed = {k: np.zeros(np.shape(w)) for k, w in weights.items()}
    blocks = _blocks(variant, {k: np.asarray(w, float) for k, w in weights.items()})
    dblocks = _blocks(variant, packed)  # views: filling them fills what is packed
    dx, d = np.zeros(x.shape), {k: np.array(v) for k, v in dstates.items()}
    for t in reversed(range(x.shape[1])):
        d["h"] = d["h"] + doutputs[:, t]
        keep = np.ones(len(x)) if mask is None else mask[:, t].astype(float)
        live = {k: v * keep[:, None] for k, v in d.items()}
        held = {k: v * (1 - keep[:, None]) for k, v in d.items()}
        before, dx[:, t] = _step_back(
            spec, blocks, dblocks, result.steps[t], live, recurrent_mask
        )
        d = {k: before[k] + held[k] for k in d}
    return {"x": dx, **packed, **{f"initial {k}": v for k, v in d.items()}}


def _step_back(spec: CellSpec, blocks, dblocks, step, d, recurrent_mask):
    """The gradients of the states before a step and of x; adds up the weights'."""
    family = spec.family
    dgates = {gate: np.zeros_like(d["h"]) for gate in family.gates}
    before: Arrays = {}
    if family.rule == "accumulate":
        dc = d["c"] + d["h"] * step["o"] * spec.of_state.slope(step["activated"])
        dgates["o"] += d["h"] * step["activated"]
        dgates["i"] += dc * step[CANDIDATE]
        dgates["f"] += dc * step["old c"]
        dgates[CANDIDATE] += dc * step["i"]
        before["c"] = dc * step["f"]
        before["h"] = np.zeros_like(d["h"])
    else:
        update = step[family.update] if family.keeps else 1 - step[family.update]
        change = d["h"] * (step["h"] - step[CANDIDATE])
        dgates[family.update] += change if family.keeps else -change
        dgates[CANDIDATE] += d["h"] * (1 - update)
        before["h"] = d["h"] * update
    dx, dseen = np.zeros_like(step["x"]), np.zeros_like(d["h"])
    for gate in reversed(_order(spec)):
        row = spec.variant[gate]
        if row.constant is not None:
            continue
        if row.complement:
            f, scalars = step[row.complement], _tie(blocks[gate])
            dgates[row.complement] += dgates[gate] * row.tied_slope(f, scalars)
            if scalars is not None:
                both = np.sum([dgates[gate] * row.tied(f), dgates[gate]], (1, 2))
                dblocks[gate][TIE_SCALARS] += both * SIGMOID.slope(scalars)
            continue
        dpre = dgates[gate] * spec.used(gate).slope(step[gate])
        read, dread = step[f"{gate} read"], np.zeros_like(d["h"])
        for weight, block in blocks[gate].items():
            if weight == "kernel":
                dblocks[gate][weight] += step["x"].T @ dpre
                dx += dpre @ block.T
            elif weight == "recurrent_kernel":
                dblocks[gate][weight] += read.T @ dpre
                dread += dpre @ block.T
            elif weight == "recurrent_vector":
                dblocks[gate][weight] += (read * dpre).sum(0)
                dread += dpre * block
            else:
                dblocks[gate][weight] += dpre.sum(0)
        if gate == CANDIDATE and family.product:
            dgates[family.reset] += dpre * step[family.product]
            dgates[family.product] += dpre * step[family.reset]
        elif gate == CANDIDATE and family.reset:
            dgates[family.reset] += dread * step["seen"]
            dread = dread * step[family.reset]
        dseen += dread
    before["h"] += dseen if recurrent_mask is None else dseen * recurrent_mask
    return before, dx
