"""What `slimrnn size` tells, against what compilers make of the C."""

import subprocess

import keras
import pytest
from benchmarks.firmware import emulator, figures, models
from benchmarks.firmware.emulator import Firmware, Model

import slimrnn
from compiled_c import compile_c
from deploy_problems import (
    FUNCTIONS,
    MODELS,
    data_for,
    given_to,
    model_of,
    normal,
    program_of,
)
from problems import ROWS
from products import each_once
from slimrnn.deploy import to_c
from slimrnn.deploy.c.export import DTYPES
from slimrnn.deploy.c.project import source_of
from slimrnn.deploy.size import CORES, Size, sizes
from slimrnn.variants import TABLE

pytestmark = pytest.mark.backend_free

layers = keras.layers
ARM = "arm-none-eabi-gcc"
M4 = ("-mthumb", "-mcpu=cortex-m4", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16", "-O2")
WIDE = {
    name: lambda name=name: model_of(
        slimrnn.layer(24, ROWS[name]), layers.Dense(6), features=12
    )
    for name in ROWS
}


@pytest.mark.parametrize(("name", "dtype"), each_once(ROWS, DTYPES))
def test_flash_and_ram_of_a_compiler(name, dtype, tmp_path):
    model = WIDE[name]()
    told = sizes(model)[dtype]
    folder = to_c(model, tmp_path / "out", "net", dtype, normal(2, 5, 12))
    line = [*M4, "-std=c99", "-ffp-contract=off", "-ffreestanding", "-fstack-usage"]
    compile_c(folder, [*line, "-c", "net.c"], ARM)
    listed = subprocess.run(
        ["arm-none-eabi-size", folder / "net.o"],
        capture_output=True,
        text=True,
        check=True,
    )
    flash = int(listed.stdout.split("\n")[1].split()[0])
    assert told.flash == pytest.approx(flash, rel=0.1)
    assert told.ram == pytest.approx(told.state + stack(folder / "net.su"), rel=0.1)


@pytest.mark.parametrize("name", [row.name for row in TABLE])
def test_instructions_and_ram_of_the_emulator(name):
    kept = figures.read(figures.KEPT)
    for dtype, told in sizes(models.model_of(name)).items():
        for core, of in {"M0": "cortex-m0", "M4F": "cortex-m4"}.items():
            [found] = kept.find(row=name, dtype=dtype, core=core)
            assert told.instructions[of] == pytest.approx(found.step, rel=0.1)
            if core == "M4F":
                assert told.ram == pytest.approx(found.ram, rel=0.1)
                assert told.flash == pytest.approx(found.flash, rel=0.1)


AROUND = {
    "convolution": layers.Conv1D(12, 3, padding="causal", activation="relu"),
    "normalization": layers.LayerNormalization(),
    "average": layers.AveragePooling1D(3, strides=1),
    "largest": layers.MaxPooling1D(3, strides=1),
    **{
        f"dense_{name}": layers.Dense(24, function)
        for name, function in FUNCTIONS.items()
        if name not in ("relu", "softmax")
    },
}


@pytest.mark.exhaustive
@pytest.mark.parametrize(("core", "of"), [("M0", "cortex-m0"), ("M4F", "cortex-m4")])
@pytest.mark.parametrize("dtype", DTYPES)
def test_instructions_around_a_cell(dtype, core, of, tmp_path):
    """A pool's first steps, which give nothing, are few of 60."""
    if why := emulator.missing():
        pytest.skip(why)
    built, told = [], []
    for name, layer in AROUND.items():
        layer = type(layer).from_config(layer.get_config())
        model = model_of(layer, slimrnn.SlimLSTM(8, "LSTM6"), features=16)
        program = program_of(model, dtype, x := normal(1, 60, 16))
        built.append(Model(source_of(program, name), list(given_to(program, x))))
        told.append(sizes(model)[dtype].instructions[of])
    firmware = Firmware(tmp_path, emulator.CORES[core], built)
    for run, count in zip(firmware.run(300).values(), told, strict=True):
        assert count == pytest.approx(run.step, rel=0.1)


def stack(file):
    """The deepest stack of a step: NAME_step, the cell where it is apart, a helper."""
    frames = {}
    for line in file.read_text().splitlines():
        place, size, _ = line.split("\t")
        frames[place.rpartition(":")[2]] = int(size)
    public = ("net_reset", "net_step", "net_output", "net_run", "net_quantize")
    inner = [frames[k] for k in frames if "_cell_step" in k]
    helpers = [f for k, f in frames.items() if k not in public and "_cell" not in k]
    return frames["net_step"] + sum(inner) + max(helpers)


def test_what_is_counted():
    model = model_of(slimrnn.SlimLSTM(32, "LSTM6"), layers.Dense(6), features=16)
    found = sizes(model)
    for dtype in DTYPES:
        assert found[dtype].macs == 16 * 32 + 32 * 32
        program = program_of(model, dtype, data_for(model))
        assert found[dtype].state == 2 * 32 * (4 if program.dtype == "float32" else 2)
        assert set(found[dtype].instructions) == set(CORES)


@pytest.mark.parametrize("name", MODELS)
def test_every_layer_has_a_size(name):
    for found in sizes(MODELS[name]()).values():
        assert isinstance(found, Size)
        assert min(found.flash, found.ram, found.macs) > 0


def test_what_integers_cannot_have():
    found = sizes(model_of(slimrnn.SlimLSTM(3, activation="relu")))
    assert isinstance(found["float32"], Size)
    assert "relu" in found["int8"]
