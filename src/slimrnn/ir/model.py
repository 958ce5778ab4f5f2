"""A model as data: a chain of layers, without a framework."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from slimrnn.errors import InputError
from slimrnn.ir.data import Data, arrays
from slimrnn.ir.layers import Embedding, Layer, Masking, Pool, Recurrent, Repeat, Skip
from slimrnn.ir.over_time import OfWindow
from slimrnn.utils import checks


@dataclass(frozen=True, eq=False, repr=False)
class Model(Data):
    """A chain of layers. Two models are equal where all that they say is.

    Args:
        name: the model's.
        layers: those that compute something, in order.
        steps: T, where the model fixes it.
        flatten: whether the outputs of all steps are one row of T * n numbers.
        origin: where it was read from, in words; models are equal without it.
        translated: what was read as something else, in words; likewise.

    Raises:
        InputError: no layer, layers whose sizes do not fit, an Embedding or a Masking
            in another place than the first, a recurrent layer that gets no sequence, a
            mask that does not reach all recurrent layers.

    Example:
        >>> import numpy as np
        >>> from slimrnn.ir.layers import Dense
        >>> head = Dense("head", np.ones((3, 2), "float32"), activation="softmax")
        >>> Model("small", (head,))
        <Model small:
          <Dense head: 3 to 2, 6 parameters>>
        >>> Model("small", (head,)) == Model("small", (head,))
        True
        >>> Model("small", (head, head))
        Traceback (most recent call last):
        slimrnn.errors.InputError: The layer head (Dense) takes 3 numbers; received 2 \
from head (Dense).
    """

    name: str
    layers: tuple[Layer, ...]
    steps: int | None = None
    flatten: bool = False
    origin: str = field(default="", compare=False)
    translated: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        self._hold(layers=tuple(self.layers))
        if not self.layers:
            raise InputError(
                f"The model {self.name} has no layer that computes something."
            )
        if self.steps is not None:
            checks.whole("steps of a model", self.steps, least=1)
        _check(self.layers)
        if self.steps is not None and not self.steps_of(self.steps):
            raise InputError(
                f"The model {self.name} has {self.steps} steps, of which none comes "
                f"out; its layers take {self.least_steps} at least."
            )
        if self.flatten and not self.return_sequences:
            raise InputError(
                f"The model {self.name} has no output for each step to flatten."
            )

    def __repr__(self) -> str:
        return "\n  ".join((f"<Model {self.name}:", *map(repr, self.layers))) + ">"

    def _repr_html_(self) -> str:
        from slimrnn.utils.markup import table

        rows = [
            (each.name, each.kind, each.inputs, each.outputs, each.parameters)
            for each in self.layers
        ]
        return table(("layer", "kind", "in", "out", "parameters"), *rows)

    @property
    def inputs(self) -> int:
        """m: numbers in a step of the input; 1 where it is an index."""
        return self.layers[0].inputs

    @property
    def outputs(self) -> int:
        """How many numbers the last layer gives, at each step where there are steps."""
        return self.layers[-1].outputs

    @property
    def takes_indices(self) -> bool:
        """Whether the input is the indices of an Embedding."""
        return isinstance(self.layers[0], Embedding)

    @property
    def masked(self) -> bool:
        """Whether steps can be masked."""
        return any(layer.makes_mask for layer in self.layers)

    @property
    def return_sequences(self) -> bool:
        """Whether the last output is one for each step."""
        steps = True
        for layer in self.layers:
            steps = layer.gives_steps(steps)
        return steps

    @property
    def gives_each(self) -> bool:
        """Whether a step in gives a step out, unlike after a layer with strides."""
        return all(layer.gives_each for layer in self.layers)

    def steps_of(self, steps: int) -> int:
        """How many steps come out of so many."""
        for layer in self.layers:
            steps = layer.steps_of(steps)
        return steps

    @property
    def least_steps(self) -> int:
        """How many steps it takes for one to come out."""
        count = 1
        while not self.steps_of(count):
            count += 1
        return count

    def recurrent(self) -> Iterator[Recurrent]:
        """The recurrent layers, those of both directions too."""
        for layer in self.layers:
            yield from layer.recurrent()

    def from_zeros(self) -> Model:
        """The model without initial states of its own, as Keras trains it."""
        layers = [
            replace(layer, initial=None)
            if isinstance(layer, Recurrent) and layer.initial is not None
            else layer
            for layer in self.layers
        ]
        return replace(self, layers=tuple(layers))

    def why_no_stream(self) -> str:
        """Why the model cannot go one step at a time; empty where it can."""
        return next(filter(None, (layer.why_no_step for layer in self.layers)), "")

    @property
    def ends_in_softmax(self) -> bool:
        """Whether the outputs are a softmax."""
        return getattr(self.layers[-1], "activation", "") == "softmax"

    def digest(self) -> str:
        """The SHA-256 of the weights, as hexadecimal digits.

        It is taken over all arrays, in the order of the layers, as little-endian
        float32.
        """
        import hashlib  # here: a model that runs needs none

        found = hashlib.sha256()
        for array in arrays(self.layers):
            found.update(array.astype("<f4").tobytes())
        return found.hexdigest()


def _check(layers: tuple[Layer, ...]) -> None:
    """Refuse a chain that cannot be."""
    sequence, masks = True, False
    repeated: int | None = None  # steps since a Repeat
    for k, layer in enumerate(layers):
        if k and isinstance(layer, Embedding):
            raise InputError(f"An Embedding must be the first layer; {layer} is not.")
        if k and layer.inputs != layers[k - 1].outputs:
            raise InputError(
                f"The layer {layer} takes {layer.inputs} numbers; received "
                f"{layers[k - 1].outputs} from {layers[k - 1]}."
            )
        behind = any(isinstance(b, Embedding) or b.recurrent() for b in layers[:k])
        if isinstance(layer, Masking) and (masks or behind):
            raise InputError(
                f"Masking must stand before the recurrent layers, once, and not after "
                f"an Embedding; {layer} does not."
            )
        if isinstance(layer, Skip):
            _check_skip(layer, layers, k, sequence and not masks)
        masks = masks or layer.makes_mask
        if layer.takes_steps and not sequence:
            raise InputError(
                f"The layer {layer} gets no sequence; set return_sequences=True on "
                f"the recurrent layer before it."
            )
        if isinstance(layer, Repeat) and sequence:
            raise InputError(
                f"The layer {layer} gets a sequence; allowed is one output for all "
                f"steps, as a recurrent layer without return_sequences=True gives it."
            )
        if isinstance(layer, Pool) and masks and layer.how != "average":
            raise InputError(
                f"The layer {layer} takes the {layer.how} of all steps, masked ones "
                f"too; allowed is a model without a mask, or GlobalAveragePooling1D."
            )
        of_window = [other for other in layers if isinstance(other, OfWindow)]
        if masks and of_window:
            raise InputError(
                f"The layer {layer} masks steps in a model with {of_window[0]}, which "
                f"takes them all; allowed is a model without a mask."
            )
        for cell in layer.recurrent():
            if masks and not cell.masked:
                raise InputError(
                    f"The model's mask does not reach the layer {cell.name}; allowed "
                    f"is a mask that reaches all recurrent layers."
                )
            if cell.masked and not masks:
                raise InputError(
                    f"The layer {cell} is masked, and no layer before it makes a mask."
                )
        sequence, masks = layer.gives_steps(sequence), masks and layer.return_sequences
        if isinstance(layer, Repeat):
            repeated = layer.times
        elif repeated is not None:
            repeated = layer.steps_of(repeated)
        if repeated == 0:
            raise InputError(
                f"Of the steps that a Repeat gives, none comes out of {layer}; allowed "
                f"is one that repeats more often."
            )


def _check_skip(
    layer: Skip, layers: tuple[Layer, ...], place: int, steps: bool
) -> None:
    """Refuse an input that cannot be added where a layer stands."""
    late = any(other.recurrent() for other in layers[place:])
    again = any(isinstance(other, Skip) for other in layers[:place])
    first = layers[0]
    steps = steps and all(other.gives_each for other in layers)
    if late or again or not steps or isinstance(first, Embedding):
        raise InputError(
            f"The layer {layer} adds the model's input; allowed is that once, after "
            f"the recurrent layers, with an output for each step, no mask and no "
            f"Embedding."
        )
    if first is layer or layer.inputs > first.inputs:
        raise InputError(
            f"The layer {layer} adds {layer.inputs} numbers of the model's input; "
            f"received {0 if first is layer else first.inputs}."
        )
