"""The amplifier's benchmark: its pair of sounds, what fits, and what is trained."""

import numpy as np
import pytest
from benchmarks import amplifier
from benchmarks.amplifier import BUDGET, RATE, Fit
from benchmarks.firmware import emulator

from slimrnn.data import sound

pytestmark = pytest.mark.backend_free


def test_the_pair_is_made_and_known(tmp_path):
    pair = amplifier.record(tmp_path, 0.5)
    x = amplifier.guitar(0.5, 0)
    for file, made in zip(pair.values(), (x, amplifier.amplifier(x)), strict=True):
        rate, samples = sound.read(file)
        assert rate == RATE
        np.testing.assert_allclose(np.ravel(samples), made, atol=1e-4)
    assert not np.allclose(amplifier.guitar(0.5, 1), x)


def test_the_amplifier_distorts():
    """A sine comes out with its second harmonic, since the tanh has an offset."""
    x = 0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
    spectrum = abs(np.fft.rfft(amplifier.amplifier(x)))
    assert spectrum[440] > spectrum[880] > 100 * spectrum[500]
    assert np.array_equal(amplifier.amplifier(np.zeros(99)), np.zeros(99))


def test_the_table():
    fit = Fit("GRU", "int8", 28, 8736, 592)
    lines = amplifier.table([fit, Fit("LSTM", "int8", 1, 2, 3)], {fit: 0.00523})
    cells = [line.split(" | ") for line in lines.markdown().splitlines()[-2:]]
    assert cells[0][2:] == ["28", "8,736", "592", "0.0052 |"]
    assert cells[1][-1] == " |"


@pytest.mark.exhaustive
@pytest.mark.parametrize("dtype", amplifier.DTYPES)
def test_what_fits_is_trained(dtype, tmp_path, monkeypatch):
    if why := emulator.missing():
        pytest.skip(why)
    monkeypatch.setattr(amplifier, "_BESIDE", 1)
    pair = amplifier.record(tmp_path, 1)
    (fit,) = amplifier.fits(["LSTM_C6"], dtype, pair, tmp_path)
    assert 0.8 * BUDGET < fit.instructions <= BUDGET
    settings = amplifier.settings_of("LSTM_C6", pair, epochs=1, seed=1)
    result = amplifier.trained(fit, settings, tmp_path)
    name = "test_int8_esr" if dtype == "int8" else "test_esr"
    assert 0 < result[name] < 1.5
