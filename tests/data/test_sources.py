"""Names -> data sets: the sources, their options, and the real data."""

import socket

import keras
import numpy as np
import pytest

from made_data import arrays, is_one_sentence, write
from slimrnn import data
from slimrnn.data import preparation, sources
from slimrnn.data.reading import read_npz
from slimrnn.errors import InputError

pytestmark = pytest.mark.backend_free


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "exactly one of name, file and frame"),
        ({"name": "digits", "file": "a.npz"}, "exactly one of name, file and frame"),
        ({"name": "imbd"}, "'imbd'; the nearest is imdb. Allowed: digits, digits_pix"),
        ({"name": "?"}, r"Unknown data set '\?'"),
        ({"name": "digits", "words": 100}, "holds frames, not tokens"),
        ({"name": "digits", "words": 2}, "words must be .* from 3 .* received 2"),
        ({"name": "digits", "length": 0}, "length must be .* from 1 .* received 0"),
        ({"name": "digits", "length": 1.5}, "length must be a whole.* received 1.5"),
        ({"name": "digits", "length": 10**30}, "length must be a whole.* received 10+"),
        ({"name": "digits", "data_dir": "/no/such"}, "'/no/such' does not exist"),
        ({"name": "newsgroups"}, "looked at no folder.*newsgroups.npz by --data-dir"),
    ],
)
def test_bad_options_are_reported(options, message):
    with pytest.raises(InputError, match=message) as caught:
        data.load(**options)
    assert is_one_sentence(str(caught.value))


@pytest.mark.exhaustive  # scikit-learn takes seconds to be imported
def test_digits_are_those_of_scikit_learn():
    from sklearn.datasets import load_digits

    ours, theirs = preparation.digits(), load_digits()
    test = np.zeros(len(theirs.target), bool)
    test[np.argsort(theirs.target, kind="stable")[::5]] = True
    for part, rows in (("train", ~test), ("test", test)):
        np.testing.assert_array_equal(ours[f"x_{part}"], theirs.images[rows] / 16)
        np.testing.assert_array_equal(ours[f"y_{part}"], theirs.target[rows])


def test_digits_come_with_scikit_learn():
    digits = data.load("digits")
    assert (len(digits.train), len(digits.test)) == (1437, 360)
    assert digits.train.x.values.shape == (1437, 8, 8)
    assert digits.train.x.values.max() == 1
    per_class = np.bincount(digits.test.y) / np.bincount(digits.train.y)
    np.testing.assert_allclose(per_class, 0.25, atol=0.02)
    assert data.load("digits", length=3).train.x.lengths[0] == 3
    pixels = data.load("digits_pixels")
    assert pixels.train.x.values.shape == (1437, 64, 1)
    varies = digits.train.x.values.reshape(1437, 64).std(axis=0) > 0
    found = pixels.train.x.values[..., 0].std(axis=0)
    np.testing.assert_allclose(found, varies, atol=1e-3)
    np.testing.assert_array_equal(pixels.test.y, digits.test.y)


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
def test_no_network_and_no_file_is_reported(tmp_path, monkeypatch, name, error):
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


def test_available_says_where_without_a_network(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(socket, "socket", None)
    (tmp_path / "keras" / "datasets").mkdir(parents=True)
    cached = write(tmp_path / "keras" / "datasets" / "imdb.npz")
    own = write(tmp_path / "mnist.npz")
    where = dict(data.available(tmp_path))
    assert list(where) == list(data.DATASETS)
    assert where["digits"] == where["digits_pixels"] == "in scikit-learn"
    assert where["mnist"] == where["mnist_pixels"] == str(own)
    assert where["imdb"] == str(cached)
    assert "Keras downloads it" in where["reuters"]
    assert "newsgroups.npz by --data-dir" in where["newsgroups"]
    assert "looked at no folder" in dict(data.available())["newsgroups"]


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


def test_the_environment_names_the_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SLIMRNN_DATA_DIR", str(tmp_path))
    x, y = np.zeros((4, 28, 28)), np.arange(4) % 2
    np.savez(tmp_path / "mnist.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    assert data.load("mnist").features == 28
    assert dict(data.available())["mnist"] == str(tmp_path / "mnist.npz")
    monkeypatch.setenv("SLIMRNN_DATA_DIR", "/no/such")
    with pytest.raises(InputError, match="SLIMRNN_DATA_DIR"):
        data.load("mnist")


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
