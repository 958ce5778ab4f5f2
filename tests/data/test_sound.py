"""Sound: files in and out, burn-in, the error-to-signal ratio as a loss and a score."""

import keras
import numpy as np
import pytest

import slimrnn
from made_data import is_one_sentence
from slimrnn import data, layers
from slimrnn.cli import main
from slimrnn.data import Part, Sequences, sound
from slimrnn.data.adapter import Adapter
from slimrnn.data.scoring import error_to_signal, per_sequence
from slimrnn.deploy.evaluate import evaluate_int8
from slimrnn.errors import InputError
from slimrnn.experiments.run.budget import limits
from slimrnn.experiments.run.store import Run

RANDOM = np.random.default_rng(0)
Y, OUTPUTS = RANDOM.normal(size=(2, 3, 9, 2)).astype("float32")
#: what weighs a step -> as an array (B, T)
WEIGHTS = {
    "none": None,
    "sequences": np.array([1.0, 0.0, 2.0]),
    "steps": (np.arange(9) >= 4) * np.ones((3, 1)),
}


def oracle(y, outputs, weight, coefficient, dc):
    """The loss by its equation, in loops and float64."""
    wrong = signal = power = count = 0.0
    offsets = []
    for b, k in np.ndindex(len(y), y.shape[2]):
        error, before, was = 0.0, 0.0, 0.0
        for t in range(y.shape[1]):
            e = float(y[b, t, k]) - float(outputs[b, t, k])
            w = weight[b, t]
            wrong += w * (e - coefficient * before) ** 2
            signal += w * (float(y[b, t, k]) - coefficient * was) ** 2
            power += w * float(y[b, t, k]) ** 2
            error, count = error + w * e, count + w
            before, was = e, float(y[b, t, k])
        offsets.append((error / max(weight[b].sum(), 1e-8)) ** 2)
    return wrong / signal + dc * np.mean(offsets) / (power / count), wrong / signal


@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize("coefficient", [0.95, 0.0])
def test_the_loss_and_the_metric_are_the_equation(weight, coefficient):
    given = WEIGHTS[weight]
    full = np.ones((3, 9)) if given is None else np.array(given)
    full = full[:, None] * np.ones((3, 9)) if full.ndim == 1 else full
    loss = layers.ErrorToSignalRatio(coefficient, dc=0.5)
    metric = layers.ErrorToSignalRatioMetric(coefficient)
    whole, ratio = oracle(Y, OUTPUTS, full, coefficient, 0.5)
    assert float(loss(Y, OUTPUTS, given)) == pytest.approx(whole, rel=1e-5)
    for b in range(3):
        one = None if given is None else given[b : b + 1]
        metric.update_state(Y[b : b + 1], OUTPUTS[b : b + 1], one)
    assert float(metric.result()) == pytest.approx(ratio, rel=1e-5)
    again = [type(x).from_config(x.get_config()) for x in (loss, metric)]
    assert float(again[0](Y, OUTPUTS, given)) == float(loss(Y, OUTPUTS, given))
    assert again[1].pre_emphasis == coefficient


@pytest.mark.parametrize("level", [0.0, 1e-30, 1.0])
def test_training_goes_on_through_silence(level):
    """A silent target gives a finite loss and finite weights, also without outputs."""
    model = keras.Sequential([keras.Input((None, 1)), keras.layers.Dense(1)])
    model.compile("sgd", layers.ErrorToSignalRatio())
    x = np.ones((2, 5, 1), "float32")
    for inputs in (x * level, x):
        loss = model.train_on_batch(inputs, x * level)
        assert np.isfinite(loss)
        assert all(np.isfinite(w).all() for w in model.get_weights())


@pytest.mark.backend_free
@pytest.mark.parametrize("lengths", [[9, 9, 9], [9, 6, 7]])
@pytest.mark.parametrize("burn_in", [0, 4])
def test_scores_of_sequences_average_to_the_ratio(lengths, burn_in):
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    steps = np.concatenate([y[:n] for y, n in zip(Y, lengths, strict=True)])
    y = Sequences(steps, offsets)
    part = Part(y, y, burn_in=burn_in)
    assert len(part.targets) == sum(lengths) - 3 * burn_in
    again = part.with_targets(part.targets)
    assert (again.targets == part.targets).all()
    weight = np.array(
        [[(burn_in <= t < n) / (n - burn_in) for t in range(9)] for n in lengths]
    )
    y_padded = y.padded(9)
    _, ratio = oracle(y_padded, OUTPUTS, weight, 0.95, 0)
    assert error_to_signal(OUTPUTS, part).mean() == pytest.approx(ratio, rel=1e-5)
    errors = abs(y_padded - OUTPUTS).mean(-1)
    np.testing.assert_allclose(
        per_sequence(OUTPUTS, part), (errors * weight).sum(1), rtol=1e-5
    )
    _, _, weights = data.Batches(part, 3, shuffle=False)[0]
    np.testing.assert_allclose(weights, 9 * weight, rtol=1e-6)


@pytest.mark.backend_free
@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "float32"])
@pytest.mark.parametrize("channels", [1, 2])
def test_files_of_any_kind(tmp_path, dtype, channels):
    from scipy.io import wavfile

    kind = np.dtype(dtype)
    half = 2.0 ** (8 * kind.itemsize - 1)
    x = RANDOM.uniform(-1, 1, size=(50, channels))
    raw = x.astype(kind)
    if kind.kind != "f":
        raw = np.clip(x * half + half * (kind.kind == "u"), *_range(kind)).astype(kind)
    wavfile.write(tmp_path / "a.wav", 44100, raw)
    rate, found = sound.read(tmp_path / "a.wav")
    assert (rate, found.dtype, found.shape) == (44100, np.float32, x.shape)
    np.testing.assert_allclose(found, x, atol=1.1 / min(half, 2**24))


def _range(kind):
    info = np.iinfo(kind)
    return info.min, info.max


def made(tmp_path, steps=900):
    """A pair of files: a distorted, filtered sound of its input."""
    x = np.cumsum(RANDOM.normal(size=steps)) * 0.1
    x -= np.convolve(x, np.ones(20) / 20, "same")
    sound.write(tmp_path / "in.wav", 48000, x)
    sound.write(tmp_path / "out.wav", 48000, np.tanh(3 * x))
    return x


@pytest.mark.backend_free
def test_a_pair_of_files_is_windows_that_count_each_sample_once(tmp_path):
    x = made(tmp_path)
    pair = {"file": tmp_path / "in.wav", "target": tmp_path / "out.wav"}
    found = data.load(**pair, window=100, burn_in=40)
    assert (found.task, found.each_step, found.outputs) == ("regression", True, 1)
    parts = [found.train, found.test]
    targets = np.concatenate([part.targets.ravel() for part in parts])
    assert len(np.unique(targets)) == len(targets)
    assert np.isin(targets, np.tanh(3 * x).astype("float32")).all()
    starts = np.concatenate([part.origin.first for part in parts])
    assert set(np.diff(np.sort(starts))) <= {60, 120}
    whole = data.load_sequences(file=tmp_path / "in.wav", window=100)
    np.testing.assert_array_equal(whole.steps[:, 0], x.astype("float32"))


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"target": None}, "--target FILE.wav"),
        ({"target": "short.wav"}, "sample for sample"),
        ({"target": "slow.wav"}, "sample for sample"),
        ({"target": "none.wav"}, "does not exist"),
        ({"target": "cut.wav"}, "no .wav file or a damaged one"),
        ({"target": "out.wav", "burn_in": 100, "window": 100}, "burn-in of 100"),
    ],
)
def test_files_that_cannot_be_learned_from(tmp_path, monkeypatch, options, said):
    x = made(tmp_path)
    monkeypatch.chdir(tmp_path)
    sound.write("short.wav", 48000, x[1:])
    sound.write("slow.wav", 44100, x)
    content = (tmp_path / "out.wav").read_bytes()
    (tmp_path / "cut.wav").write_bytes(content[:-400])
    with pytest.raises(InputError, match=said) as error:
        data.load(file="in.wav", **options)
    assert is_one_sentence(str(error.value))


def test_a_sound_is_trained_scored_and_played(tmp_path, monkeypatch, capsys):
    """train and evaluate by the ratio; predict streams a file to a file."""
    made(tmp_path)
    monkeypatch.chdir(tmp_path)
    of = "--data in.wav --target out.wav --window 60 --burn-in 20"
    fit = "--loss esr --epochs 25 --learning-rate 0.05 --int8 --units 4 --batch-size 4"
    fit += " --keep best --timing 0 --out run"
    assert main(["train", "LSTM6", *f"{of} {fit}".split()]) == 0
    run = Run.read(tmp_path / "run")
    assert run.result["test_esr"] < 1 == run.result["always silence"]
    assert run.test_scores().mean() == pytest.approx(run.result["test_esr"], rel=1e-4)
    assert "esr" in capsys.readouterr().out
    model = keras.saving.load_model("run/model.keras")
    assert isinstance(model.loss, layers.ErrorToSignalRatio)
    found = data.load(file="in.wav", target="out.wav", window=60, burn_in=20)
    answers = Adapter.of(model, found).answers(model, found.test)
    ratio = error_to_signal(answers, found.test).mean()
    assert ratio == pytest.approx(run.result["test_esr"], rel=1e-4)
    scored = evaluate_int8(model, found)
    assert scored.esr["float32"] == pytest.approx(ratio, rel=1e-3)
    assert scored.count == found.test.targets.size
    assert main(["evaluate", "run/model.keras", *of.split(), "--int8"]) == 0
    assert "error-to-signal ratio in int8" in capsys.readouterr().out
    play = ["predict", "run/model.keras", "--data", "in.wav", "--out", "played.wav"]
    assert main(play) == 0
    rate, x = sound.read("in.wav")
    heard, played = sound.read("played.wav")
    assert (rate, x.shape) == (heard, played.shape)
    np.testing.assert_array_equal(played, slimrnn.Stream(model).run(x))


@pytest.mark.backend_free
def test_the_ratio_is_refused_without_numbers_at_each_step(capsys):
    assert main(["train", "LSTM6", "--dataset", "digits", "--loss", "esr"]) != 0
    assert "numbers at each step" in capsys.readouterr().err


@pytest.mark.backend_free
def test_a_budget_in_floats_is_another():
    integers, floats = limits("instructions=6000+instructions:float32=6000")
    assert (integers.dtype, floats.dtype) == ("int8", "float32")
    assert integers.absolute(9) == limits("instructions=9@cortex-m4")[0]
    assert floats.absolute(9) == limits("instructions:float32=9@cortex-m4")[0]
    with pytest.raises(InputError, match="dtype"):
        limits("flash:float8=4KB")
