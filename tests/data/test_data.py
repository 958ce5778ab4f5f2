"""Names and files -> data sets and batches; bad files -> one sentence."""

import contextlib
import dataclasses
import doctest
import importlib
import io
import pickle
import re
import socket
import zipfile

import keras
import numpy as np
import pytest

from slimrnn import data
from slimrnn.data import sources
from slimrnn.data.batches import padded_lengths
from slimrnn.data.reading import read_npz
from slimrnn.errors import InputError

MODULES = ["", ".sequences", ".reading", ".table", ".sources", ".batches"]


@pytest.mark.parametrize("module", MODULES)
def test_documented_examples_hold(module):
    result = doctest.testmod(importlib.import_module(f"slimrnn.data{module}"))
    assert result.attempted > 0 or module == ".table"
    assert result.failed == 0


# ---------------------------------------------------------------- good files

LABELS = np.array([0, 1, 1])
FRAMES = {"x": np.arange(12.0).reshape(3, 2, 2), "y": LABELS}
SERIES = {"x": np.arange(6.0).reshape(3, 2), "y": LABELS}
TOKENS = {"x": np.array([[1, 5], [7, 2], [1, 9]]), "y": LABELS}
PADDED = {"x": np.array([[0, 5, 0], [7, 2, 6], [0, 0, 9]]), "y": LABELS}
OFFSETS = np.array([0, 1, 3, 6])
RAGGED = {"x": np.arange(12.0).reshape(6, 2), "y": LABELS, "o": OFFSETS}
RAGGED_SERIES = {"x": np.arange(6.0), "y": LABELS, "o": OFFSETS}
RAGGED_TOKENS = {"x": np.arange(1, 7), "y": LABELS, "o": OFFSETS}
TARGETS = {"x": FRAMES["x"], "y": np.array([0.5, 1.5, 2.5])}
TARGETS_2 = {"x": FRAMES["x"], "y": np.ones((3, 2))}
GOOD = {
    "frames": FRAMES,
    "series": SERIES,
    "tokens": TOKENS,
    "padded": PADDED,
    "ragged": RAGGED,
    "ragged_series": RAGGED_SERIES,
    "ragged_tokens": RAGGED_TOKENS,
    "targets": TARGETS,
    "targets_2": TARGETS_2,
}


def arrays(kind, **changes):
    """The arrays of a file of a kind, train and test alike, then changed."""
    keys = {"x": "x_{}", "y": "y_{}", "o": "x_{}_offsets"}
    good = {
        keys[key].format(part): value
        for part in ("train", "test")
        for key, value in GOOD[kind].items()
    }
    changed = {**good, **changes}
    return {key: value for key, value in changed.items() if value is not None}


def write(path, **contents):
    np.savez(path, **contents)
    return path


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


# ----------------------------------------------------------------- bad files

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
    ("frames", {"y_train": LABELS[:0]}, "x_train has 3 sequences and y_train 0"),
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
    ("frames", {"y_test": np.ones(3)}, "y_train is int64 .* y_test float64"),
    ("targets", {"y_test": np.ones((3, 2))}, r"y_test float64 of shape \(3, 2\)"),
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


def is_one_sentence(message):
    """What was wrong and is allowed, then what to do."""
    return message.endswith(".") and re.search("[:;] ", message) and "\n" not in message


@pytest.mark.parametrize(("kind", "changes", "message"), BAD_ARRAYS)
def test_bad_arrays_are_told(tmp_path, kind, changes, message):
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
    "header of petabytes": (as_npy(LONG), "x_train cannot be read"),
}


@pytest.mark.parametrize("case", BAD_BYTES)
def test_bad_bytes_are_told(tmp_path, case):
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


def test_files_that_cannot_be_opened_are_told(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="is a folder"):
        data.load(file=tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        data.load(file=tmp_path / "none.npz")
    with pytest.raises(InputError, match="cannot be read"):
        data.load(file=tmp_path / ("long" * 100))
    with pytest.raises(InputError, match="damaged"):
        data.load(file="with\0zero")

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(np, "load", refuse)  # a superuser may read every file
    with pytest.raises(InputError, match=r"cannot be read \(Permission denied\)"):
        data.load(file=tmp_path / "secret.npz")


# --------------------------------------------------------- names and options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "exactly one of them"),
        ({"name": "digits", "file": "a.npz"}, "exactly one of them"),
        ({"name": "imbd"}, "'imbd' .did you mean 'imdb'.*: known are digits, mnist,"),
        ({"name": "?"}, r"unknown data set '\?': known are"),
        ({"name": "digits", "words": 100}, "holds frames, not tokens"),
        ({"name": "digits", "words": 2}, "words must be .* from 3 .* received 2"),
        ({"name": "digits", "length": 0}, "length must be .* from 1 .* received 0"),
        ({"name": "digits", "length": 1.5}, "length must be a whole.* received 1.5"),
        ({"name": "digits", "length": 10**30}, "length must be a whole.* received 10+"),
        ({"name": "digits", "data_dir": "/no/such"}, "'/no/such' does not exist"),
        ({"name": "newsgroups"}, "looked at no folder.*newsgroups.npz by --data-dir"),
    ],
)
def test_bad_options_are_told(options, message):
    with pytest.raises(InputError, match=message) as caught:
        data.load(**options)
    assert is_one_sentence(str(caught.value))


def test_digits_come_with_scikit_learn():
    digits = data.load("digits")
    assert (len(digits.train), len(digits.test)) == (1437, 360)
    assert digits.train.x.values.shape == (1437, 8, 8)
    assert digits.train.x.values.max() == 1
    per_class = np.bincount(digits.test.y) / np.bincount(digits.train.y)
    np.testing.assert_allclose(per_class, 0.25, atol=0.02)
    assert data.load("digits", length=3).train.x.lengths[0] == 3


def images(seed, count=20):
    random = np.random.default_rng(seed)
    x = random.integers(0, 256, (count, 28, 28)).astype(np.uint8)
    return x, np.arange(count, dtype=np.uint8) % 10


def texts(*lengths):
    """As Keras gives them: lists in an array of objects."""
    lists = [list(range(1, length + 1)) for length in lengths]
    return np.array(lists, object), np.arange(len(lengths)) % 2


@pytest.fixture
def served(monkeypatch):
    """Keras's loaders with small data in place of the network."""
    options = []

    def serve(part, *contents):
        def load_data(**given):
            options.append((given, socket.getdefaulttimeout()))
            return contents

        monkeypatch.setattr(part, "load_data", load_data)

    serve(keras.datasets.mnist, images(0), images(1))
    serve(keras.datasets.fashion_mnist, images(2), images(3))
    serve(keras.datasets.imdb, texts(1, 3, 600), texts(2, 2, 1))
    serve(keras.datasets.reuters, texts(1, 3, 600), texts(2, 2, 1))
    return options


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
@pytest.mark.parametrize(("form", "shape"), [("", (28, 28)), ("_pixels", (784, 1))])
def test_images_come_from_keras_standardised(served, name, form, shape):
    loaded = data.load(name + form)
    train, test = loaded.train.x.values, loaded.test.x.values
    assert train.shape == test.shape == (20, *shape)
    np.testing.assert_allclose(train.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(train.std(axis=0), 1, atol=1e-5)
    seed = ["mnist", "fashion_mnist"].index(name) * 2
    x, z = images(seed)[0].astype(float), images(seed + 1)[0]
    expected = (z - x.mean(axis=0)) / (x.std(axis=0) + 1e-6)
    np.testing.assert_allclose(test, expected.reshape(test.shape), rtol=1e-4, atol=1e-5)


def test_a_pixel_without_change_in_training_is_zero(tmp_path):
    (x, y), (z, _) = images(0), images(1)
    x[:, 3, 4] = 7
    write(tmp_path / "mnist.npz", x_train=x, y_train=y, x_test=z, y_test=y)
    loaded = data.load("mnist", data_dir=tmp_path)
    assert not loaded.train.x.values[:, 3, 4].any()
    assert not loaded.test.x.values[:, 3, 4].any()


@pytest.mark.parametrize("name", ["imdb", "reuters"])
def test_texts_come_from_keras_ragged_and_cut(served, name):
    loaded = data.load(name)
    assert loaded.train.x.lengths.tolist() == [1, 3, 500]
    assert loaded.train.x.values[-1] == 600
    assert loaded.train.x.values.dtype == np.int32
    given, timeout = served[-1]
    assert given["num_words"] > 1e9  # Keras's None would lose the rarest word
    assert timeout  # the download cannot hang ...
    assert socket.getdefaulttimeout() is None  # ... and nothing else is changed


@pytest.mark.parametrize("name", [n for n, row in data.DATASETS.items() if row.keras])
@pytest.mark.parametrize("error", [Exception("URL fetch failure"), TimeoutError()])
def test_no_network_and_no_file_is_told(tmp_path, monkeypatch, name, error):
    row = data.DATASETS[name]

    def fail(**options):
        raise error

    monkeypatch.setattr(getattr(keras.datasets, row.keras), "load_data", fail)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    with pytest.raises(InputError) as caught:
        data.load(name, data_dir=tmp_path)
    told = str(caught.value)
    assert is_one_sentence(told)
    for part in (
        tmp_path / f"{row.file}.npz",
        tmp_path / "keras" / "datasets" / row.cached,
        str(error) or type(error).__name__,
        "--data-dir",
    ):
        assert str(part) in told


def test_a_silent_network_does_not_hang(tmp_path, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        origin = f"http://127.0.0.1:{silent.getsockname()[1]}/mnist.npz"

        def load_data():
            return keras.utils.get_file(origin=origin, cache_dir=tmp_path)

        monkeypatch.setattr(keras.datasets.mnist, "load_data", load_data)
        monkeypatch.setattr(sources, "DOWNLOAD_SECONDS", 0.2)
        with pytest.raises(InputError, match="timed out"):
            data.load("mnist")


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("mnist", "frames", "frames of 2 features: .* 28 features, in images"),
        ("mnist", "tokens", "holds tokens: .* must hold 28 features"),
        ("imdb", "frames", "frames of 2 features: .* must hold tokens"),
        ("spoken_digits", "ragged", "unequal .* must hold 20 features"),
    ],
)
def test_a_file_of_a_known_name_holds_what_it_should(tmp_path, name, kind, message):
    write(tmp_path / f"{name}.npz", **arrays(kind))
    with pytest.raises(InputError, match=message):
        data.load(name, data_dir=tmp_path)


def test_the_users_folder_goes_before_keras(tmp_path, served):
    write(tmp_path / "imdb.npz", **arrays("ragged_tokens"))
    assert data.load("imdb", data_dir=tmp_path).train.x.lengths.tolist() == [1, 2, 3]
    assert not served


def test_available_tells_where_without_a_network(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(socket, "socket", None)
    (tmp_path / "keras" / "datasets").mkdir(parents=True)
    cached = write(tmp_path / "keras" / "datasets" / "imdb.npz")
    own = write(tmp_path / "mnist.npz")
    where = dict(data.available(tmp_path))
    assert list(where) == list(data.DATASETS)
    assert where["digits"] == "in scikit-learn"
    assert where["mnist"] == where["mnist_pixels"] == str(own)
    assert where["imdb"] == str(cached)
    assert "Keras downloads it" in where["reuters"]
    assert "newsgroups.npz by --data-dir" in where["newsgroups"]
    assert "looked at no folder" in dict(data.available())["newsgroups"]


# ----------------------------------------------------------------- sequences


def some(kind, lengths, seed=0):
    """Sequences of tokens or frames, dense where the lengths are equal."""
    random = np.random.default_rng(seed)
    total = int(sum(lengths))
    values = random.integers(1, 9, total).astype(np.int32)
    if kind == "frames":
        values = random.normal(size=(total, 2)).astype(np.float32)
    if len(set(lengths)) == 1:
        return data.Sequences(values.reshape(len(lengths), -1, *values.shape[1:]))
    return data.Sequences(values, np.concatenate([[0], np.cumsum(lengths)]))


def listed(sequences):
    """Each sequence as an array of its own."""
    if sequences.offsets is None:
        return list(sequences.values)
    return np.split(sequences.values, sequences.offsets[1:-1])


@pytest.mark.parametrize("kind", ["tokens", "frames"])
@pytest.mark.parametrize("lengths", [[3, 1, 4, 2], [1], [2, 2, 2], [5, 1]])
@pytest.mark.parametrize("length", [None, 1, 3, 9])
@pytest.mark.parametrize("front", [True, False])
def test_padded_equals_keras(kind, lengths, length, front):
    sequences = some(kind, lengths)
    expected = keras.utils.pad_sequences(
        listed(sequences),
        length,
        dtype=sequences.values.dtype,
        padding="pre" if front else "post",
        value=-7,
    )
    padded = sequences.padded(length, -7, front=front)
    np.testing.assert_array_equal(padded, expected)
    assert padded.dtype == sequences.values.dtype


@pytest.mark.parametrize("kind", ["tokens", "frames"])
@pytest.mark.parametrize("lengths", [[3, 1, 4, 2], [2, 2, 2, 2]])
@pytest.mark.parametrize("chosen", [[2, 0, 2], slice(1, 3), [-1], [True, False] * 2])
def test_take_takes(kind, lengths, chosen):
    sequences = some(kind, lengths)
    taken = sequences.take(np.array(chosen) if isinstance(chosen, list) else chosen)
    order = np.arange(4)[chosen]
    assert len(taken) == len(order)
    for got, index in zip(listed(taken), order, strict=True):
        np.testing.assert_array_equal(got, listed(sequences)[index])
    assert taken.lengths.tolist() == sequences.lengths[order].tolist()


# --------------------------------------------------------------------- split


def test_split_is_seeded_stratified_and_complete():
    digits = data.load("digits")
    train, validation = digits.split(0.2, seed=3)
    again = digits.split(0.2, seed=3)[1]
    other = digits.split(0.2, seed=4)[1]
    np.testing.assert_array_equal(validation.x.values, again.x.values)
    assert not np.array_equal(validation.x.values, other.x.values)
    shares = np.bincount(validation.y) / np.bincount(digits.train.y)
    np.testing.assert_allclose(shares, 0.2, atol=0.015)
    both = np.concatenate([train.x.values, validation.x.values]).reshape(1437, -1)
    whole = digits.train.x.values.reshape(1437, -1)
    np.testing.assert_array_equal(np.unique(both, axis=0), np.unique(whole, axis=0))
    assert len(digits.test) == 360


@pytest.mark.parametrize("fraction", [0.01, 0.3, 0.5])
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "labels", [[0, 1, 1, 1, 2, 2], [0, 0, 1, 2, 3], [0, 1], [0, 0, 1, 1]]
)
def test_every_class_stays_in_training_where_it_can(fraction, seed, labels):
    y = np.array(labels, np.int32)
    part = data.Part(some("frames", range(1, len(y) + 1)), y)
    train, validation = data.Dataset("d", part, part, classes=4).split(fraction, seed)
    shared = [label for label in labels if labels.count(label) > 1] or labels
    wanted = max(1, int(fraction * len(y)))
    assert len(validation) == min(wanted, len(shared) // 2)
    assert sorted([*train.y, *validation.y]) == labels
    if len(set(labels)) < len(labels):
        assert set(train.y) == set(labels)


def test_split_of_targets():
    part = data.Part(some("frames", [2] * 10), np.ones((10, 1), np.float32))
    train, validation = data.Dataset("d", part, part).split(0.3)
    assert (len(train), len(validation)) == (7, 3)


@pytest.mark.parametrize("fraction", [0, -1, 0.6, float("nan")])
def test_bad_fractions_are_told(fraction):
    with pytest.raises(InputError, match="above 0 and at most"):
        data.load("digits").split(fraction)


@pytest.mark.parametrize("seed", [-1, 1.5, None])
def test_bad_seeds_are_told(seed):
    with pytest.raises(InputError, match="seed must be a whole number"):
        data.load("digits").split(seed=seed)
    with pytest.raises(InputError, match="seed must be a whole number"):
        data.Batches(data.load("digits").train, seed=seed)


# ------------------------------------------------------------------- batches


def part_of(lengths, kind="tokens"):
    """A part whose targets are the samples' numbers."""
    return data.Part(some(kind, lengths), np.arange(len(lengths)))


UNEQUAL = np.random.default_rng(5).integers(1, 100, 333).tolist()


@pytest.mark.parametrize("lengths", [[5] * 333, UNEQUAL])
@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("group", [None, True, False])
@pytest.mark.parametrize("size", [1, 4, 32, 1000])
def test_every_sample_comes_once_with_its_target(lengths, shuffle, group, size):
    part = part_of(lengths)
    batches = data.Batches(part, size, shuffle=shuffle, group=group)
    assert len(batches) == -(-333 // size)
    seen = []
    for x, y in batches:
        expected = part.take(y).x.padded(x.shape[1])
        np.testing.assert_array_equal(x, expected)
        assert x.shape[1] >= part.x.lengths[y].max()
        assert x.shape[1] in batches.lengths
        seen.extend(y)
    assert sorted(seen) == list(range(333))
    assert sum(len(batches[i][1]) < size for i in range(len(batches))) <= 1
    assert len(batches.lengths) <= 6
    if not shuffle and not group:
        assert seen == list(range(333))


def targets(batches):
    return [y.tolist() for _, y in batches]


def test_shuffling_is_a_function_of_seed_and_epoch():
    part = part_of(UNEQUAL)
    batches = data.Batches(part, 8, seed=1)
    first = targets(batches)
    batches.epoch = 1
    second = targets(batches)
    assert first != second
    resumed = data.Batches(part, 8, seed=1)
    resumed.epoch = 1
    assert targets(resumed) == second
    batches.epoch = 0
    assert targets(batches) == first
    assert targets(data.Batches(part, 8, seed=2)) != first


def test_like_lengths_save_steps():
    part = part_of(UNEQUAL)
    batches = data.Batches(part, 8)
    steps = sum(len(indices) * length for indices, length in batches.plan(0))
    assert len(batches.lengths) > 2
    assert steps < 0.65 * 333 * max(UNEQUAL)
    assert steps < 1.25 * sum(UNEQUAL)


def test_few_batches_or_equal_lengths_are_not_grouped():
    assert data.Batches(part_of(UNEQUAL), 32).lengths.tolist() == [max(UNEQUAL)]
    nearly = [98, 99, 100] * 111
    assert data.Batches(part_of(nearly), 2).lengths.tolist() == [100]
    assert data.Batches(part_of([7] * 333), 2).lengths.tolist() == [7]


@pytest.mark.parametrize("seed", range(10))
def test_first_two_batches_differ_in_length_for_tensorflow(seed):
    batches = data.Batches(part_of(UNEQUAL), 8, seed=seed)
    plan = batches.plan(0)
    assert plan[0][1] != plan[1][1]


@pytest.mark.parametrize("most", [1, 2, 6])
def test_padded_lengths_cover_all(most):
    lengths = np.random.default_rng(most).zipf(1.5, 500).clip(max=20000)
    chosen = padded_lengths(lengths, most)
    assert 1 <= len(chosen) <= most
    assert chosen[-1] == lengths.max()
    assert (np.diff(chosen) > 0).all()


@pytest.mark.parametrize("size", [0, -3, 2.5, "32"])
def test_bad_batch_sizes_are_told(size):
    with pytest.raises(InputError, match="batch size"):
        data.Batches(part_of([1, 2]), size)


def pooled(part, mask_value):
    """A small model that sees padding unless it is masked."""
    model = keras.Sequential(
        [
            keras.Input((None, part.x.features)),
            keras.layers.Masking(mask_value),
            keras.layers.Dense(4, kernel_initializer=keras.initializers.Ones()),
            keras.layers.GlobalAveragePooling1D(),
            keras.layers.Dense(2, "softmax", kernel_initializer="ones"),
        ]
    )
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.fixture
def ragged_frames():
    x = dataclasses.replace(some("frames", UNEQUAL), padding=-50.0)
    return data.Part(x, np.arange(333, dtype=np.int32) % 2)


def fit(model, part, first, last):
    batches = data.Batches(part, 16, seed=7)
    options = {"shuffle": False, "verbose": 0, "initial_epoch": first, "epochs": last}
    model.fit(batches, callbacks=[batches.follow()], **options)


def test_a_resumed_fit_equals_an_uninterrupted_one(ragged_frames):
    whole, resumed = pooled(ragged_frames, -50.0), pooled(ragged_frames, -50.0)
    fit(whole, ragged_frames, 0, 3)
    fit(resumed, ragged_frames, 0, 2)
    fit(resumed, ragged_frames, 2, 3)
    for a, b in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_epochs_count_by_themselves(ragged_frames):
    batches = data.Batches(ragged_frames, 16)
    pooled(ragged_frames, -50.0).fit(batches, epochs=3, verbose=0)
    assert batches.epoch == 3


def test_evaluation_needs_no_order_and_prediction_keeps_it(ragged_frames):
    model = pooled(ragged_frames, -50.0)
    fit(model, ragged_frames, 0, 1)
    kept = data.Batches(ragged_frames, 16, shuffle=False)
    grouped = data.Batches(ragged_frames, 16, shuffle=False, group=True)
    assert len(grouped.lengths) > len(kept.lengths) == 1
    results = [model.evaluate(b, verbose=0) for b in (kept, grouped)]
    np.testing.assert_allclose(*results, rtol=1e-5)
    predicted = model.predict(kept, verbose=0)
    alone = [model(x[None].astype("float32")) for x in listed(ragged_frames.x)[:3]]
    for got, expected in zip(predicted, alone, strict=False):
        expected = keras.ops.convert_to_numpy(expected)[0]
        np.testing.assert_allclose(got, expected, rtol=1e-5)


# ----------------------------------------------------------------- real data


@pytest.mark.parametrize(
    ("name", "train", "test", "facts", "length"),
    [
        ("mnist", 60000, 10000, (10, 28, None), 28),
        ("mnist_pixels", 60000, 10000, (10, 1, None), 784),
        ("imdb", 25000, 25000, (2, None, 5000), 500),
        ("newsgroups", 11314, 7532, (20, None, 20000), 500),
        ("spoken_digits", 2700, 300, (10, 20, None), 226),
        ("japanese_vowels", 270, 370, (9, 12, None), 26),
    ],
)
def test_real_data(data_dir, name, train, test, facts, length):
    loaded = data.load(name, data_dir=data_dir)
    assert (len(loaded.train), len(loaded.test)) == (train, test)
    assert (loaded.classes, loaded.features, loaded.vocabulary) == facts
    assert loaded.train.x.lengths.max() == length
    assert loaded.task == "classification"
    x, y = data.Batches(loaded.train, 32)[0]
    assert len(x) == len(y) <= 32
    assert x.dtype == (np.int32 if loaded.tokens else np.float32)
    assert dict(data.available(data_dir))[name].startswith(str(data_dir))


def test_real_reviews_equal_keras_padding(data_dir):
    raw = read_npz(data_dir / "imdb.npz")
    offsets = raw["x_train_offsets"]
    reviews = np.split(raw["x_train"][: offsets[50]], offsets[1:50])
    known = [[word if word < 5000 else 2 for word in review] for review in reviews]
    expected = keras.utils.pad_sequences(known, 500)
    loaded = data.load("imdb", data_dir=data_dir)
    padded = loaded.train.take(slice(50)).x.padded(500, front=True)
    np.testing.assert_array_equal(padded, expected)


def test_real_frames_are_never_masked(data_dir):
    for name in ("spoken_digits", "japanese_vowels"):
        loaded = data.load(name, data_dir=data_dir)
        for part in (loaded.train, loaded.test):
            assert (part.x.values > loaded.mask_value).all()
