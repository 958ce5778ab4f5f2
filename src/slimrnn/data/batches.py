"""Batches of a part for `model.fit`, `evaluate` and `predict`."""

import keras
import numpy as np

from slimrnn.data.sequences import Part, Sequences, generator
from slimrnn.utils.checks import whole

# Each padded length is one more shape to compile, which takes as long as hundreds of
# batches of a small model. So: few lengths, none without batches enough to pay for it
# within some epochs, and none that saves less than 3 of 100 steps.
MOST_LENGTHS = 6
BATCHES_A_LENGTH = 24
WORTH = 0.03


def padded_lengths(lengths: np.ndarray, most: int) -> np.ndarray:
    """Choose the lengths to pad to: at most `most`, rising, the last the longest.

    One more length goes where it saves the most steps, as long as that is worth
    it. They are multiples of 8 (of more above 512 steps), but for the longest.

    >>> padded_lengths(np.array([3, 5, 5, 6, 6, 7, 30, 31, 90]), 3)
    array([ 8, 32, 90])
    """
    longest = lengths.max()
    step = 8 * -(-longest // 512)
    sizes, counts = np.unique(
        np.minimum(-(-lengths // step) * step, longest), return_counts=True
    )
    before = np.concatenate([[0], np.cumsum(counts)])
    chosen = np.array([len(sizes) - 1])  # places in `sizes`
    while len(chosen) < most:
        place = np.searchsorted(chosen, np.arange(len(sizes)))
        start = np.concatenate([[0], chosen + 1])[place]
        padded = sizes[chosen[place]]
        saved = (padded - sizes) * (before[1:] - before[start])
        if saved.max() < WORTH * (padded * counts).sum():
            break
        chosen = np.sort(np.append(chosen, saved.argmax()))
    return sizes[chosen]


class Batches(keras.utils.PyDataset):
    """Batches (x, y) of a part, each sample once an epoch.

    x is (batch, length, m) or (batch, length), padded with `part.x.padding`. Where each
    step has a target, y is (batch, length, k), and a third array, (batch, length), is
    0 at steps that pad or burn in, else the weight by which each sequence counts alike.

    Shuffling is a pure function of seed and epoch. Keras's `fit` by default
    shuffles the *order* of batches once more, with a generator of its own: pass
    `shuffle=False` to it, and `follow()` as a callback, and a resumed run gets
    the batches that an uninterrupted one gets:

        model.fit(batches, shuffle=False, callbacks=[batches.follow()],
                  initial_epoch=3, epochs=5)

    Sequences of unequal length are put together with others of about their
    length where that saves steps enough; `lengths` says which padded lengths are
    in use. With `shuffle=False` the order is kept, for `predict`, and all are
    padded alike. `evaluate` does not depend on the order, so that
    `shuffle=False, group=True` makes it faster.

    Args:
        part: the samples.
        batch_size: samples in a batch; only one batch of an epoch has fewer.
        shuffle: whether to draw a new order each epoch.
        seed: of the shuffling.
        group: whether to put like lengths together; None: where shuffled.
        front: pad in front, as the original project did, not at the end.
        length: pad all to this many steps; None: each batch to one of `lengths`.

    Raises:
        InputError: a batch size below 1, or a seed below 0.

    >>> from slimrnn.data import Sequences
    >>> part = Part(Sequences(np.arange(1, 7).reshape(3, 2)), np.arange(3))
    >>> [y.tolist() for x, y in Batches(part, batch_size=2, shuffle=False)]
    [[0, 1], [2]]
    """

    def __init__(
        self,
        part: Part,
        batch_size: int = 32,
        *,
        shuffle: bool = True,
        seed: int = 0,
        group: bool | None = None,
        front: bool = False,
        length: int | None = None,
    ):
        super().__init__()
        batch_size = whole("batch_size", batch_size, least=1)
        generator(seed)  # a bad seed is refused here, not in the first epoch
        self.part = part
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.front = front
        self.epoch = 0
        grouped = shuffle if group is None else group
        most = min(MOST_LENGTHS, len(self) // BATCHES_A_LENGTH) if grouped else 1
        lengths = part.x.lengths
        self.lengths = padded_lengths(lengths, max(1, most))
        if length is not None:
            lengths = np.minimum(lengths, length)
            self.lengths = np.array([length])
        self._group = np.searchsorted(self.lengths, lengths)
        self._planned = (0, self.plan(0))
        self._served = 0

    def __len__(self) -> int:
        return -(-len(self.part) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
        epoch, plan = self._planned
        if epoch != self.epoch:
            plan = self.plan(self.epoch)
            self._planned = (self.epoch, plan)
        indices, length = plan[index]
        batch = self.part.take(indices)
        self._served += 1
        x = batch.x.padded(length, front=self.front)
        if not isinstance(batch.y, Sequences):
            return x, batch.y
        # Each sequence counts alike, and a step that pads or burns in not at all.
        counted = batch.counted(length)
        weights = counted * (length / counted.sum(axis=1, keepdims=True))
        return x, batch.y.padded(length), weights.astype("float32")

    def plan(self, epoch: int) -> list[tuple[np.ndarray, int]]:
        """Return each batch's samples and padded length in an epoch."""
        random = generator(self.seed, epoch)
        order = np.arange(len(self.part))
        if self.shuffle:
            order = random.permutation(order)
        order = order[np.argsort(self._group[order], kind="stable")]
        pieces = [
            order[start : start + self.batch_size]
            for start in range(0, len(order), self.batch_size)
        ]
        if self.shuffle:
            pieces = [pieces[i] for i in random.permutation(len(pieces))]
        lengths = [int(self.lengths[self._group[piece].max()]) for piece in pieces]
        plan = list(zip(pieces, lengths, strict=True))
        # Keras on TensorFlow takes the shape of all batches from the first two:
        # where lengths differ, these two must.
        other = (i for i, (_, length) in enumerate(plan) if length != plan[0][1])
        place = next(other, 1)
        if place > 1:
            plan[1], plan[place] = plan[place], plan[1]
        return plan

    def follow(self) -> keras.callbacks.Callback:
        """Return a callback that sets `epoch` to the number of `fit`'s epoch.

        Without it, `epoch` counts the complete passes, from 0 in each process.
        """

        def begin(epoch: int, logs: dict | None = None) -> None:
            self.epoch = epoch

        return keras.callbacks.LambdaCallback(on_epoch_begin=begin)

    def on_epoch_begin(self) -> None:
        """Keras: a pass begins."""
        self._served = 0

    def on_epoch_end(self) -> None:
        """Keras: a pass ends, or a look at the first batch that built the model."""
        if self._served >= len(self):
            self.epoch += 1
        self._served = 0


def answers(model: keras.Model, batches: Batches) -> np.ndarray:
    """Return what a model says of each sample, (N, ...), in the order of the part.

    Of answers at each step, those of steps that pad may be 0.
    """
    found: np.ndarray | None = None
    for (places, length), (x, *_) in zip(batches.plan(0), batches, strict=True):
        answer = np.asarray(model.predict_on_batch(x), "float32")
        shape = answer.shape[1:]
        if len(shape) > 1 and shape[0] == length:
            shape = (int(batches.lengths[-1]), *shape[1:])
        if found is None:
            found = np.zeros((len(batches.part), *shape), "float32")
        where = places if shape == answer.shape[1:] else np.s_[places, :length]
        found[where] = answer
    assert found is not None
    return found


def unnamed(model: keras.Model) -> keras.Model:
    """Return the model of one input and one output with neither lists nor names."""
    return keras.Model(model.inputs[0], model.outputs[0])
