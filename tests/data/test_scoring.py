"""What a prediction is worth: every way of writing labels, with and without a loss."""

import keras
import numpy as np
import pytest

from slimrnn.data.scoring import Task
from slimrnn.errors import InputError

pytestmark = pytest.mark.backend_free

losses = keras.losses
RIGHT = np.array([2, 0, 1, 1])
LOGITS = np.array([[-3, 0.1, 0.2], [0.4, 0.3, -9], [0, 8, 1], [-2, -1, -4.0]])
ONE = np.array([[0.3], [-0.2], [0.7], [-1.0]])
SIGNS = np.array([1, 0, 1, 0])
HOT = np.eye(3)[RIGHT]
PROBABLE = np.array([[0.3], [0.4], [0.7], [0.6]])
#: outputs, labels, loss, last activation -> kind, border; each is right all over
CASES = {
    "classes": (LOGITS, RIGHT, None, "", "classes", None),
    "classes in a column": (LOGITS, RIGHT[:, None], None, "", "classes", None),
    "one-hot": (LOGITS, HOT, None, "softmax", "classes", None),
    "one-hot of whole numbers": (LOGITS, HOT.astype(int), None, "", "classes", None),
    "soft labels": (
        *(LOGITS, 0.8 * HOT + 0.05, losses.CategoricalCrossentropy(), ""),
        *("classes", None),
    ),
    "sparse": (LOGITS, RIGHT, "sparse_categorical_crossentropy", "", "classes", None),
    "a logit": (ONE, SIGNS, losses.BinaryCrossentropy(True), "", "yes or no", 0),
    "a probability": (
        *(PROBABLE, PROBABLE[:, 0] > 0.5, losses.BinaryCrossentropy(), ""),
        *("yes or no", 0.5),
    ),
    "a logit, no loss": (ONE, SIGNS, None, "linear", "yes or no", 0),
    "a probability, no loss": (
        *(PROBABLE, PROBABLE > 0.5, None, "sigmoid", "yes or no", 0.5),
    ),
    "nothing but numbers": (ONE, SIGNS, None, "", "yes or no", 0),
    "nothing but shares": (PROBABLE, PROBABLE[:, 0] > 0.5, None, "", "yes or no", 0.5),
    "floats for a sigmoid": (
        *(PROBABLE, np.array([0.0, 0, 1, 1]), None, "sigmoid", "yes or no", 0.5),
    ),
    "hinge": (ONE, 2 * SIGNS - 1, losses.Hinge(), "", "yes or no", 0),
    "several labels": (
        *(LOGITS, LOGITS > 0, losses.binary_crossentropy, "sigmoid"),
        *("yes or no", 0.5),
    ),
    "targets": (LOGITS, LOGITS, None, "", "regression", None),
    "targets of whole numbers": (
        *(ONE, SIGNS, losses.MeanSquaredError(), "", "regression", None),
    ),
    "targets by a function": (ONE, ONE[:, 0], losses.huber, "", "regression", None),
    "counts": (
        np.array([[3.0], [7.0]]),
        np.array([3, 7]),
        None,
        "",
        "regression",
        None,
    ),
}


@pytest.mark.parametrize("what", CASES)
def test_how_outputs_are_read(what):
    outputs, y, loss, activation, kind, border = CASES[what]
    if what == "several labels":
        outputs = 0.5 + outputs / 20
    task = Task.of(outputs, y, loss, activation)
    assert task.kind == kind
    assert border in (None, task.border)
    assert task.reason
    right = task.score(outputs, y)
    if task.metric == "accuracy":
        assert right.all()
        wrong = task.score(-outputs if task.border == 0 else 1 - outputs, y)
        assert wrong.mean() < 0.5
    elif what == "targets of whole numbers":
        np.testing.assert_allclose(right[:, 0], abs(ONE[:, 0] - SIGNS))
    else:
        assert right.max() == 0


def test_masked_steps_are_not_scored():
    outputs = np.stack([LOGITS, -LOGITS])
    y = np.stack([RIGHT, RIGHT])
    mask = np.array([[True, True, False, True], [False] * 4])
    task = Task.of(outputs, y)
    assert task.score(outputs, y, mask).tolist() == [True] * 3
    assert task.score(outputs, y).size == 8


def test_labels_that_do_not_fit():
    with pytest.raises(InputError, match=r"shape \(4,\).*received \(3,\)"):
        Task.of(LOGITS, RIGHT[:3]).score(LOGITS, RIGHT[:3])
