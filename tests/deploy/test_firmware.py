"""Exported models on emulated Cortex-M cores: the bits, and what they take."""

import re
from argparse import Namespace
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from benchmarks import firmware
from benchmarks.firmware import emulator, figures, report
from benchmarks.firmware.emulator import CORES, Firmware, Model
from benchmarks.firmware.figures import Figure, Figures

from compiled_c import Compiled
from deploy_problems import (
    MODELS,
    data_for,
    given_to,
    model_of_row,
    program_of,
    twin_of,
)
from problems import ROWS
from products import some
from slimrnn.deploy.c.export import DTYPES
from slimrnn.deploy.c.project import source_of
from slimrnn.errors import InputError
from slimrnn.variants import TABLE

pytestmark = pytest.mark.backend_free

DOCS = Path(__file__).parents[2] / "docs" / "firmware.md"
#: the compiler's functions for double, which no core has need of
DOUBLE = re.compile(r"__aeabi_(c?d|\w+2d)")


@pytest.fixture(params=CORES)
def core(request):
    """A core that can be emulated here."""
    if why := emulator.missing():
        pytest.skip(why)
    return CORES[request.param]


# The bits -------------------------------------------------------------------------

CASES = {**{f"row {name}": partial(model_of_row, name) for name in ROWS}, **MODELS}


FEW = ["LSTM", "LSTM6", "GRU1", "MGU2"]
PARTS = 8  # of the models, so that each core has others by default


#: by default: each core a part of the models in one dtype
IN_TURN = {core: [(DTYPES[k % 2], k)] for k, core in enumerate(CORES)}


@pytest.fixture(scope="session")
def cases(request, tmp_path_factory):
    """The models, and what each gives: the host's C (float32), the simulator (int8)."""
    (dtype, part), models, expected, when = request.param, [], {}, {}
    for case in list(CASES)[part::PARTS]:
        model = CASES[case]()
        x = data_for(model)
        program = program_of(model, dtype, x)
        if program.model.why_no_stream():
            continue
        name, x = re.sub(r"\W+", "_", case).lower(), given_to(program, x)
        models.append(Model(source_of(program, name), list(x)))
        came = [program.model.steps_of(count) for count in range(x.shape[1] + 1)]
        when[name] = np.flatnonzero(np.diff(came))  # after which steps something comes
        if dtype == "int8":
            expected[name] = twin_of(program, x).astype("int16")
        else:
            host = Compiled(program, tmp_path_factory.mktemp(name))
            expected[name] = np.stack([host.steps(sequence) for sequence in x])
    return models, expected, when


@pytest.mark.parametrize(
    ("core", "cases"),
    some(
        lambda core, case: case in IN_TURN[core], CORES, product(DTYPES, range(PARTS))
    ),
    indirect=True,
)
def test_every_core_gives_the_same_bits(core, cases, tmp_path):
    models, expected, when = cases
    built = Firmware(tmp_path, core, models)
    found = {
        name: np.stack(run.outputs)[:, when[name]] for name, run in built.run().items()
    }
    wrong = [
        name for name, y in found.items() if y.tobytes() != expected[name].tobytes()
    ]
    assert not wrong
    called = set().union(*map(built.undefined, found))
    assert not [name for name in called if DOUBLE.match(name)]
    assert {"memset", "memcpy"} >= {n for n in called if not n.startswith("__aeabi_")}


# The harness ----------------------------------------------------------------------


def made_up(body, steps=50, name="made_up"):
    """A model whose step does what is written in C, and nothing else."""
    upper = name.upper()
    header = f"""\
#include <stdint.h>
#define {upper}_INPUTS 1
#define {upper}_OUTPUTS 1
typedef struct {{ int8_t last; }} {name}_state;
void {name}_reset({name}_state *state);
void {name}_step({name}_state *state, const int8_t *x);
void {name}_output(const {name}_state *state, int16_t *y);
"""
    source = f"""\
#include "{name}.h"
void {name}_reset({name}_state *state) {{ state->last = 0; }}
void {name}_step({name}_state *state, const int8_t *x)
{{
    state->last = *x;
    {body}
}}
void {name}_output(const {name}_state *state, int16_t *y) {{ *y = state->last; }}
"""
    texts = {"header": lambda: header, "source": lambda: source}
    known = SimpleNamespace(name=name, input="int8_t", outputs=1, **texts)
    known.arithmetic = SimpleNamespace(vector="int16_t")
    return Model(known, [np.arange(steps).astype("int8")])


def test_what_is_counted_and_painted(core, tmp_path):
    """10,000 instructions, and 1,000 bytes of stack, beside those of the calls."""
    stack = "volatile char bytes[1000]; bytes[0] = 1; (void)bytes[0];"
    models = [
        made_up('__asm__ volatile(".rept 10000\\nnop\\n.endr");', name="counted"),
        made_up(stack, name="painted"),
        made_up("", name="empty"),
    ]
    built = Firmware(tmp_path, core, models)
    runs = built.run()
    assert runs["counted"].step - runs["empty"].step == pytest.approx(10000, abs=2)
    assert runs["painted"].stack - runs["empty"].stack == pytest.approx(1000, abs=16)
    assert runs["empty"].step < 20
    assert runs["empty"].stack <= 64
    for run in runs.values():
        np.testing.assert_array_equal(run.outputs[0][:, 0], np.arange(50))


FAILURES = {
    "a double": ("const float f = *x; state->last = (int8_t)(f * 0.5);", 5, "double"),
    "a fault": ('__asm__ volatile("udf #0");', 5, "a fault"),
    "a full stack": (
        "volatile char b[4096]; for (int k = 0; k < 4096; k++) b[k] = 0; (void)b[0];",
        5,
        "stack was too small",
    ),
    "no end": ('for (;;) __asm__ volatile("");', 5, "more than 5 s"),
    "a long sequence": ("", 20000, "longer than"),
}


@pytest.mark.parametrize("core", ["M0"], indirect=True)
@pytest.mark.parametrize("failure", FAILURES)
def test_failures_are_reported(core, failure, tmp_path):
    body, steps, told = FAILURES[failure]
    timeout = 5 if failure == "no end" else 120
    with pytest.raises(RuntimeError, match=told):
        Firmware(tmp_path, core, [made_up(body, steps)]).run(timeout)


# The figures ----------------------------------------------------------------------


@pytest.fixture(scope="session")
def rows(request):
    """Rows of the table in each dtype, as `slimrnn bench firmware` measures them."""
    from benchmarks.firmware.models import measured

    return [measured(name, dtype) for dtype in DTYPES for name in request.param]


@pytest.mark.parametrize(
    ("core", "rows"),
    some(
        lambda core, rows: core == "M4F" and rows == FEW,
        *(CORES, [FEW, [row.name for row in TABLE if row.name not in FEW]]),
    ),
    indirect=True,
    ids=str,
)
def test_counts_have_not_grown(core, rows):
    """Against the figures that are kept; those depend on the compiler alone."""
    kept = figures.read(figures.KEPT)
    ours = emulator.versions()["gcc"]
    if ours != kept.about["gcc"]:
        pytest.skip(f"counts were kept of gcc {kept.about['gcc']}; here is {ours}")
    assert figures.regressions(kept, figures.measure(core, rows)) == []


FIGURE = Figure("LSTM6", "int8", "M4F", 5000, 700, 3000, 100, 2500, 128, 300)


@pytest.mark.parametrize("count", ["step", "output", "flash"])
def test_regressions(count):
    kept, value = Figures({}, [FIGURE]), getattr(FIGURE, count)
    slow = replace(FIGURE, **{count: round(value * 1.03)})
    [told] = figures.regressions(kept, [slow])
    assert told.startswith(f"LSTM6 int8 M4F: {count} {value:,} -> ")
    within = replace(FIGURE, **{count: round(value * 1.01)})
    new = replace(slow, row="LSTM99")
    assert not figures.regressions(kept, [FIGURE, within, new])


@pytest.mark.parametrize(
    ("step", "said"), [(4000, "stretch"), (5000, "met"), (5500, "MISSED by 10.0%")]
)
def test_verdicts(step, said):
    targets = report.tables(Figures({}, [replace(FIGURE, step=step)]))[0]
    assert targets.rows[0][-1] == said


def test_the_docs_show_what_is_kept():
    text = DOCS.read_text(encoding="utf-8")
    kept = figures.read(figures.KEPT)
    assert all(table.markdown() in text for table in report.tables(kept))
    assert kept.about["gcc"] in text
    assert kept.about["QEMU"] in text


def arguments(**given):
    return Namespace(**{"results": None, "json": None, "markdown": False, **given})


def test_the_command_shows_a_file(capsys, tmp_path):
    path = tmp_path / "mine.json"
    kept = figures.read(figures.KEPT)
    kept.write(path)
    assert firmware.run(arguments(results=path, markdown=True), tmp_path) == 0
    printed = capsys.readouterr()
    assert "## int8: instructions a step" in printed.out
    assert all(row.name in printed.out for row in TABLE)
    assert not printed.err

    grown = [replace(figure, step=2 * figure.step) for figure in kept.figures]
    replace(kept, figures=grown).write(path)
    assert firmware.run(arguments(results=path), tmp_path) == 1
    assert "Grown by more than 2%: LSTM6 int8 M4F: step" in capsys.readouterr().err


def test_what_the_command_refuses(monkeypatch, tmp_path):
    (tmp_path / "other.json").write_text("[]")
    monkeypatch.setattr(emulator, "QEMU", "qemu-system-none")
    refused = {
        "holds no figures": {"results": tmp_path / "other.json"},
        "No such file": {"results": tmp_path / "none.json"},
        "received --only": {"only": ["LSTM6"]},
        "qemu-system-none.* apt-get": {},
    }
    for told, given in refused.items():
        with pytest.raises(InputError, match=told):
            firmware.run(arguments(**given), tmp_path)
