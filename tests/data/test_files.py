"""Files of arrays: what they are understood as, and bad ones told in a sentence."""

import contextlib
import io
import pickle
import zipfile

import numpy as np
import pytest

from made_data import FRAMES, LABELS, OFFSETS, TOKENS, arrays, is_one_sentence, write
from slimrnn import data
from slimrnn.errors import InputError

pytestmark = pytest.mark.backend_free


@pytest.mark.parametrize(
    ("kind", "facts"),
    [
        ("frames", ("classification", False, None, 2, 2, 2, False)),
        ("series", ("classification", False, None, 2, 1, 2, False)),
        ("tokens", ("classification", True, 10, 2, None, 2, False)),
        ("padded", ("classification", True, 10, 2, None, 2, True)),
        ("ragged", ("classification", False, None, 2, 2, 2, True)),
        ("ragged_series", ("classification", False, None, 2, 1, 2, True)),
        ("ragged_tokens", ("classification", True, 7, 2, None, 2, True)),
        ("targets", ("regression", False, None, None, 2, 1, False)),
        ("targets_2", ("regression", False, None, None, 2, 2, False)),
    ],
)
@pytest.mark.parametrize("wide", [True, False])
def test_files_are_understood(tmp_path, kind, facts, wide):
    contents = arrays(kind)
    if not wide:  # narrow types hold the same numbers
        narrow = {"f": np.float16, "i": np.uint8}
        contents = {k: v.astype(narrow[v.dtype.kind]) for k, v in contents.items()}
    loaded = data.load(file=write(tmp_path / "mine.npz", **contents))
    assert facts == (
        loaded.task,
        loaded.tokens,
        loaded.vocabulary,
        loaded.classes,
        loaded.features,
        loaded.outputs,
        loaded.ragged,
    )
    assert loaded.name == "mine"
    assert loaded.train.x.values.dtype == (np.int32 if loaded.tokens else np.float32)
    assert loaded.train.y.dtype == (np.int32 if loaded.classes else np.float32)
    assert len(loaded.train) == len(loaded.train.x) == len(loaded.test) == 3


def test_zeros_around_tokens_are_padding(tmp_path):
    loaded = data.load(file=write(tmp_path / "mine.npz", **arrays("padded")))
    assert loaded.train.x.lengths.tolist() == [1, 3, 1]
    assert loaded.train.x.padded().tolist() == [[5, 0, 0], [7, 2, 6], [9, 0, 0]]


def test_words_and_length_cut_tokens_as_keras_does(tmp_path):
    path = write(tmp_path / "mine.npz", **arrays("ragged_tokens"))
    loaded = data.load(file=path, words=5, length=2)
    assert loaded.train.x.padded(front=True).tolist() == [[0, 1], [2, 3], [2, 2]]
    assert loaded.vocabulary == 4
    assert data.load(file=path, words=100, length=100).vocabulary == 7


def test_no_real_frame_has_the_mask_value(tmp_path):
    test = arrays("ragged")["x_train"] - 1000.5
    loaded = data.load(file=write(tmp_path / "a.npz", **arrays("ragged", x_test=test)))
    assert loaded.mask_value < min(loaded.train.x.values.min(), test.min())
    huge = data.load(
        file=write(tmp_path / "b.npz", **arrays("ragged", x_test=test * 1e30))
    )
    assert huge.mask_value < huge.test.x.values.min()
    for kind in ("frames", "tokens", "padded", "ragged_tokens"):
        other = data.load(file=write(tmp_path / "c.npz", **arrays(kind)))
        assert other.mask_value is None


def test_parts_of_unequal_lengths_are_ragged(tmp_path):
    x_test = np.zeros((3, 5, 2))
    path = write(tmp_path / "mine.npz", **arrays("frames", x_test=x_test))
    loaded = data.load(file=path)
    assert loaded.ragged
    assert loaded.mask_value < 0


NAN = np.where(FRAMES["x"] == 7, np.nan, FRAMES["x"])
WITH_GAP = np.array([0, 2, 2])
BAD_ARRAYS = [
    ("frames", {"y_test": None}, "lacks y_test "),
    ("frames", {"x_test": None, "y_test": None}, "lacks x_test, y_test "),
    ("ragged", {"x_test_offsets": None}, "lacks x_test_offsets "),
    ("frames", {"x_train": np.array([[1], [1, 2]], object)}, "x_train holds pickled"),
    ("frames", {"y_test": np.array(["a", "b", "c"])}, "y_test is of type <U1"),
    ("frames", {"x_test": FRAMES["x"] + 1j}, "x_test is of type complex128"),
    ("frames", {"x_test": np.zeros(3, "M8[s]")}, "x_test is of type datetime64"),
    ("frames", {"x_test": np.zeros(3, "f,f")}, r"x_test is of type \[\('f0'"),
    ("frames", {"x_train": np.float64(3)}, r"x_train is of shape \(\)"),
    ("frames", {"x_train": np.zeros((3, 2, 2, 2))}, r"shape \(3, 2, 2, 2\)"),
    ("frames", {"x_train": np.zeros((3, 0, 2))}, r"x_train is of shape \(3, 0, 2\)"),
    ("frames", {"x_test": np.zeros((0, 2, 2)), "y_test": LABELS[:0]}, r"\(0, 2, 2\)"),
    ("ragged", {"x_train": np.zeros((0, 2))}, r"x_train is of shape \(0, 2\)"),
    ("frames", {"x_train": NAN}, r"x_train is nan at \(1, 1, 1\)"),
    ("frames", {"x_test": FRAMES["x"] - np.inf}, r"x_test is -inf at "),
    ("frames", {"x_test": FRAMES["x"] * 1e300}, r"e\+300 at .* finite, in float32"),
    ("targets", {"y_train": np.array([1, np.nan, 2])}, r"y_train is nan at \(1, 0\)"),
    ("frames", {"y_train": LABELS[:2]}, "x_train has 3 sequences and y_train 2"),
    ("ragged", {"y_test": LABELS[:2]}, "x_test has 3 sequences and y_test 2"),
    ("frames", {"y_train": LABELS[:0]}, r"y_train is int64 of shape \(0,\)"),
    ("targets", {"y_train": np.zeros(0)}, r"y_train is float64 of shape \(0,\)"),
    ("frames", {"y_train": -LABELS}, "y_train has labels from -1 to 0"),
    ("frames", {"y_train": LABELS + 2**40}, "y_train has labels from 10995"),
    (
        "frames",
        {"y_train": np.eye(3, dtype=int)},
        r"y_train is int64 of shape \(3, 3\)",
    ),
    ("frames", {"y_train": np.int64(1)}, r"y_train is int64 of shape \(\)"),
    ("frames", {"y_train": np.float64(1)}, r"y_train is float64 of shape \(\)"),
    ("frames", {"y_train": WITH_GAP, "y_test": WITH_GAP}, "0, 2 as labels"),
    ("frames", {"y_train": 0 * LABELS, "y_test": 0 * LABELS}, "has 0 as labels"),
    ("frames", {"y_test": LABELS + 1}, "0, 1 as labels and y_test 1, 2: "),
    ("frames", {"y_test": np.full(3, 0.5)}, "y_train is int64 .* y_test is float64"),
    ("targets", {"y_test": np.ones((3, 2))}, r"y_test is float64 of shape \(3, 2\)"),
    ("frames", {"x_test": np.zeros((3, 2, 5))}, "2 features and x_test frames of 5"),
    ("frames", {"x_test": TOKENS["x"]}, "2 features and x_test tokens"),
    ("tokens", {"x_train": -TOKENS["x"]}, "ids from -9 to -1"),
    ("tokens", {"x_train": TOKENS["x"].astype("u8") + 2**63}, "ids from 922337"),
    ("tokens", {"x_train": np.array([[1, 2], [0, 0], [0, 3]])}, "in sequence 1"),
    ("padded", {"x_test": np.array([[1, 0, 3]] * 3)}, "x_test has token id 0 inside"),
    ("ragged_tokens", {"x_test": np.arange(6)}, "x_test has token id 0 inside"),
    ("ragged", {"x_train_offsets": OFFSETS + 1}, "goes from 1 to 7: .* 0 to 6"),
    ("ragged", {"x_train_offsets": OFFSETS[:-1]}, "goes from 0 to 3: .* 0 to 6"),
    ("ragged", {"x_test_offsets": OFFSETS * 1.0}, "x_test_offsets is float64"),
    ("ragged", {"x_test_offsets": OFFSETS[:, None]}, r"offsets is int64 .*\(4, 1\)"),
    ("ragged", {"x_test_offsets": np.array([0])}, r"offsets is int64 of shape \(1,\)"),
    ("ragged", {"x_test_offsets": np.array([0, 4, 3, 6])}, r"place 1 \(4, then 3\)"),
    ("ragged", {"x_test_offsets": np.array([0, 3, 3, 6])}, "sequence 1 has no step"),
]


@pytest.mark.parametrize(("kind", "changes", "message"), BAD_ARRAYS)
def test_bad_arrays_are_reported(tmp_path, kind, changes, message):
    path = write(tmp_path / "bad.npz", **arrays(kind, **changes))
    with pytest.raises(InputError, match=message) as caught:
        data.load(file=path)
    assert str(path) in str(caught.value)
    assert is_one_sentence(str(caught.value))


def npz_bytes(**contents):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **contents)
    return buffer.getvalue()


def npy_bytes(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def zip_bytes(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def members(**changed):
    return {
        name: npy_bytes(array) for name, array in arrays("frames").items()
    } | changed


def as_npy(content, name="x_train.npy"):
    plain = {f"{key}.npy": value for key, value in members().items()}
    return zip_bytes({**plain, name: content})


HUGE = npy_bytes(np.zeros((3, 2, 2))).replace(b"(3, 2, 2)", b"(9**9,)  ")
LONG = npy_bytes(np.zeros(3)).replace(b"(3,)", b"(9999999999999999,)")[:128]
BAD_BYTES = {
    "empty": (b"", "is no .npz file or a damaged one"),
    "text": (b"x_train,y_train\n1,2\n", "is no .npz file or a damaged one"),
    "pickle": (pickle.dumps({"x_train": 1}), "is no .npz file or a damaged one"),
    "npy": (npy_bytes(np.zeros(3)), "holds a single array"),
    "zip of nothing": (zip_bytes({}), r"\(it holds: nothing\)"),
    "no zip": (b"PK\x03\x04" + bytes(50), "is no .npz file or a damaged one"),
    "truncated": (npz_bytes(**arrays("frames"))[:-80], "is no .npz file or a damaged"),
    "member of text": (as_npy(b"hello"), "x_train cannot be read"),
    "member of nothing": (as_npy(b""), "x_train cannot be read"),
    "member not npy": (zip_bytes(members(x_train=b"hello")), "x_train cannot be read"),
    "header of code": (as_npy(HUGE), "x_train cannot be read"),
    "header of petabytes": (as_npy(LONG), "says that it has 79999999999999992 bytes"),
}


@pytest.mark.parametrize("case", BAD_BYTES)
def test_bad_bytes_are_reported(tmp_path, case):
    content, message = BAD_BYTES[case]
    path = tmp_path / "bad.npz"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        data.load(file=path)
    assert is_one_sentence(str(caught.value))


def test_no_damage_escapes_as_another_error(tmp_path):
    whole = npz_bytes(**arrays("ragged"))
    random = np.random.default_rng(0)
    path = tmp_path / "damaged.npz"
    for place in random.integers(len(whole), size=150):
        damaged = bytearray(whole)
        damaged[place] = random.integers(256)
        for content in (damaged, whole[:place]):
            path.write_bytes(content)
            with contextlib.suppress(InputError):  # an unused byte does no harm
                data.load(file=path)


class Bomb:
    def __reduce__(self):
        return pytest.fail, ("a pickle was loaded",)


def test_pickles_are_never_loaded(tmp_path):
    bomb = np.array([Bomb()], object)
    path = tmp_path / "bomb.npz"
    for content in (
        npz_bytes(**arrays("frames", y_test=bomb)),
        as_npy(pickle.dumps(Bomb())),
        pickle.dumps(Bomb()),
    ):
        path.write_bytes(content)
        with pytest.raises(InputError):
            data.load(file=path)


def test_files_that_cannot_be_opened_are_reported(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="is a folder"):
        data.load(file=tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        data.load(file=tmp_path / "none.npz")
    with pytest.raises(InputError, match="cannot be read"):
        data.load(file=tmp_path / ("long" * 100))
    with pytest.raises(InputError, match="is no name of a file"):
        data.load(file="with\0zero")

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(np, "load", refuse)  # a superuser may read every file
    (tmp_path / "secret.npz").write_bytes(b"")
    with pytest.raises(InputError, match=r"cannot be read \(permission denied\)"):
        data.load(file=tmp_path / "secret.npz")
