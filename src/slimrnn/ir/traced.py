"""The model of a graph that was gone through: what its outputs have become."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from slimrnn.errors import InputError
from slimrnn.ir import spelled
from slimrnn.ir.chain import model_of
from slimrnn.ir.described import Described
from slimrnn.ir.flow import FEATURES, LOG_SOFTMAX, Axis, Flow, Size, State
from slimrnn.ir.model import Model


def source(sizes: Sequence[Size], features: int | None) -> Flow:
    """The model's input: sequences, or a single one, which has an axis less.

    Args:
        sizes: of its axes.
        features: which of them they are; None: it is indices, or one number a step.
    """
    if not 0 < len(sizes) < 4:
        raise InputError(
            f"The graph's input has {len(sizes)} axes; allowed are sequences, steps "
            f"and features, or sequences and steps of indices."
        )
    first = len(sizes) + (features is None) < 3
    axes = [Axis(str(k), size) for k, size in enumerate(sizes, start=first)]
    if features is not None:
        axes[features] = Axis(FEATURES, sizes[features])
    return Flow(tuple(axes))


class Final(InputError):
    """A refusal that no other input of the graph changes: of an operator."""


@contextmanager
def reading(name: str, kind: str, given: Any) -> Iterator[None]:
    """Makes a sentence of what a reader raises that does not know such inputs.

    Raises:
        InputError: instead of an error of Python's.
    """
    try:
        yield
    except InputError:
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as why:
        shapes = ", ".join(_shown(value) for value in given) or "nothing"
        raise InputError(
            f"The operator {name} ({kind}) cannot be read as it stands here: it gets "
            f"{shapes}."
        ) from why


def _shown(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_shown, value))}]"
    if isinstance(value, State):
        return f"the state {value.name}"
    shape = getattr(value, "shape", None)
    if shape is None:
        return str(value)
    what = "what becomes of the input" if isinstance(value, Flow) else "numbers"
    return f"{what} ({', '.join(map(str, shape))})"


def first_that_is_read(attempts: Iterable[Callable[[], Model]]) -> Model:
    """What a reader makes of a graph by the first input that fits it.

    Raises:
        InputError: none does; what the usual one led to.
    """
    first: InputError | None = None
    for read in attempts:
        try:
            return read()
        except Final:
            raise
        except InputError as error:
            first = first or error
    assert first is not None
    raise first


def model_of_graph(
    name: str,
    given: Flow,
    outputs: Iterable[Any],
    origin: str,
    translated: Iterable[str] = (),
    fixed: bool = True,
    **settings: Any,
) -> Model:
    """The model, from the input to the first output that it goes to.

    Args:
        name: the model's.
        given: its input.
        outputs: what they have become.
        origin: see :class:`Model`.
        translated: what was read as something else.
        fixed: whether the input's size along the steps is the model's.
        settings: of :func:`slimrnn.ir.chain.model_of`.
    """
    values, told = list(outputs), list(translated)
    flows = [value for value in values if isinstance(value, Flow)]
    if not flows or not flows[0].layers:
        raise InputError("The graph has no output that layers give.")
    flow, *others = flows
    finals = [other for other in others if not _is_state_of(other, flow)]
    if finals:
        raise InputError(
            f"The graph has {len(flows)} outputs; allowed is one, and the states of "
            f"recurrent layers."
        )
    if len(values) > 1:
        told.append("its first output alone")
    if flow.time in ("0", "2"):
        told.append(f"steps, the axis {flow.time} there, are the axis 1")
    check_order(flow)
    flow = flow.of_last_step()
    flow = _without_log(flow, told)
    sizes = {axis.name: axis.size for axis in given.axes}
    steps, known = (sizes.get(key) for key in (flow.time, FEATURES))
    steps = steps if fixed else None
    return model_of(
        name,
        _layers(flow, known if isinstance(known, int) else None),
        steps if isinstance(steps, int) else None,
        origin=origin,
        translated="; ".join(told),
        **settings,
    )


def _without_log(flow: Flow, told: list[str]) -> Flow:
    """A softmax in place of a log_softmax at the end, which it says."""
    *before, last = flow.layers
    if any(layer.kind == LOG_SOFTMAX for layer in before):
        raise InputError("log_softmax is allowed at the end only.")
    if last.kind != LOG_SOFTMAX:
        return flow
    told.append("log_softmax as softmax: probabilities, not their logarithms")
    return replace(flow, layers=(*before, replace(last, kind="Activation")))


def check_order(flow: Flow) -> None:
    """Refuses all steps of a layer that goes backwards, in the order of its inputs."""
    if flow.in_order:
        raise InputError(
            f"The layer {flow.layers[-1].name} goes backwards and gives all steps; "
            f"allowed is that as the second direction of a bidirectional layer."
        )


def _is_state_of(other: Flow, flow: Flow) -> bool:
    """Whether an output is the last h of a layer that the first one went through."""
    names = {each.name for layer in flow.layers for each in (layer, *layer.inner)}
    return bool(other.layers) and other.layers[-1].name in names


def _layers(flow: Flow, features: int | None) -> list[Described]:
    first, *rest = spelled.named(flow.layers)
    found = [replace(first, features=features), *rest]
    if flow.mask and flow.mask.place == 0 and first.kind == "Embedding":
        found[0] = replace(found[0], settings={"mask_zero": True})
    elif flow.mask:
        settings = {"mask_value": flow.mask.value}
        masking = Described("Masking", "masking", settings, features=features)
        found.insert(flow.mask.place, masking)
    if flow.time in flow.axes[-1].name.split("*"):  # with the features
        found.append(Described("Flatten", "flatten"))
    return found
