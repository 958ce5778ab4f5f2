"""The benchmark: its processes, its verdicts, its command line."""

import doctest
import importlib
import json
import os
import re
import signal
import sys
import time
from pathlib import Path

import pytest
from benchmarks import machine, measure, results
from benchmarks.peers import PEERS, Peer
from benchmarks.processes import Failed, Process, Processes
from benchmarks.works import Case, Shape, Work

from bench_results import command, made, printed
from processes import children, is_alive, start
from slimrnn import backends, native
from slimrnn.cli import bench

TINY = Shape(2, 3, 4, 5)
BACKEND = backends.installed()[0]
MADE_UP = """
import os, sys, time
from benchmarks.peers import Call

def start(**options):
    print("noise on the standard output")
    return {"made up": "1.0"}

def build(case):
    def crash():
        print("out of luck", file=sys.stderr)
        os._exit(3)

    slow, fast = Call(lambda: 0.004, tells=True), Call(lambda: 0.001, tells=True)
    ways = {"slow": slow, "fast": fast}
    takes = lambda: len(bytearray(b"x") * (1 << 25)) and 1.5
    tells = {"told": Call(takes, tells=True)}
    later = {"later": Call(iter([1, 1, 1, 1, 1]).__next__)}
    rows = {"ways": ways, "tells": tells, "crash": {"": Call(crash)}, "later": later}
    if case.row == "sleep":
        return {"": Call(lambda: time.sleep(1000))}
    if case.row == "isa":
        from slimrnn import native

        return {native.isa(): tells["told"]}
    return rows[case.row]
"""


@pytest.fixture
def made_up(tmp_path, monkeypatch):
    """A peer that is quick to start and does what the row says."""
    (tmp_path / "made_up_peer.py").write_text(MADE_UP)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return Peer("made-up {row}", "made_up_peer")


def take(cases, peers, rounds=2, **options):
    """The results of these cases, measured by real workers."""
    found, watch = results.Results(machine.environment()), machine.Watch()
    work = Work("train", "training", (tuple(cases),))
    with Processes(peers, **options) as processes:
        told = []
        measure.measure(
            [work], rounds, processes, watch, found, lambda *said: told.append(said)
        )
        found.about["versions"] = processes.versions
        pids = processes.pids
    assert not any(map(is_alive, pids))
    assert [share for _, share in told] == sorted(share for _, share in told)
    found.quiet = watch.report()
    return found


def test_real_peers_are_measured(tmp_path):
    there = [f"ops-{BACKEND}"] if BACKEND != "tensorflow" else []
    cases = [Case(peer, "LSTM6", task, TINY) for peer in there for task in TASKS]
    if "torch" in backends.installed():
        cases += [Case("torch", "LSTM", "train", TINY)]
    cases += [Case(f"keras-{BACKEND}", "SimpleRNN", "fit", TINY)]
    found = take(cases, PEERS)
    for timing in found.timings:
        assert not timing.failed, (timing.case, timing.failed)
        assert timing.setting in timing.tried
        assert 0 < timing.best <= timing.middle
    assert len(found.quiet["rounds"]) == 2
    assert "keras" in found.about["versions"]
    file = tmp_path / "bench.json"
    found.write(file)
    assert results.read(file) == found
    case = json.loads(file.read_text())["cases"][0]
    assert case["minimum"] == min(case["seconds"])


TASKS = ("train", "forward", "fit", "fit64")


@pytest.mark.backend_free
def test_the_fastest_way_is_kept_and_a_failure_has_its_reason(made_up):
    rows = ("ways", "tells", "no such row", "later", "crash", "ways")
    cases = [Case("mine", row, "train", TINY) for row in rows]
    cases[-1] = Case("mine", "ways", "forward", TINY)
    cases += [Case("gone", "LSTM", "train", TINY), Case("bad", "LSTM", "train", TINY)]
    peers = {
        "mine": made_up,
        "gone": Peer("{row}", "made_up_peer", ("no_such_library",)),
        "bad": Peer("{row}", "no_such_module"),
    }
    found = take(cases, peers)
    ways, tells, unknown, later, crash, again, gone, bad = found.timings
    assert unknown.failed == "KeyError: 'no such row'"
    assert crash.failed == "its process ended with code 3: out of luck"
    # They were in the process that crashed; what came after it is in a new one.
    assert ways.failed == tells.failed == later.failed == crash.failed
    assert ways.setting == "fast"
    assert not again.failed
    assert again.best == 0.001
    assert gone.failed == "no_such_library not installed"
    assert bad.failed == "no_such_module is not installed"
    text = printed(found)
    for timing in (unknown, crash, gone, bad):
        assert timing.failed in text


@pytest.mark.backend_free
def test_what_fails_in_a_later_round_keeps_its_times(made_up):
    found = take([Case("mine", "later", "train", TINY)], {"mine": made_up})
    assert found.timings[0].failed == "StopIteration: "


@pytest.mark.backend_free
def test_a_worker_that_reports_its_time(made_up):
    found = take([Case("mine", "tells", "train", TINY)], {"mine": made_up})
    assert set(found.timings[0].seconds) == {1.5}
    assert found.about["versions"] == {"made up": "1.0"}


@pytest.mark.backend_free
@pytest.mark.skipif(bool(native.reason()), reason="no native engine")
def test_workers_use_the_instruction_set(made_up):
    for isa in native.isas():
        case = Case("mine", "isa", "train", TINY)
        found = take([case], {"mine": made_up}, 1, isa=isa)
        assert found.timings[0].setting == isa


@pytest.mark.backend_free
def test_workers_end_with_the_orchestrator(made_up):
    code = (
        "import sys, threading\n"
        "from benchmarks.peers import Peer\n"
        "from benchmarks.processes import Process\n"
        "from benchmarks.works import Case, Shape\n"
        "worker = Process(Peer('', 'made_up_peer'))\n"
        "print(worker.pid, flush=True)\n"
        "case = Case('mine', 'sleep', 'train', Shape(1, 1, 1, 1)).config()\n"
        "worker.ask('prepare', name='x', case=case)\n"
    )
    root = Path(__file__).parents[2]
    path = os.pathsep.join([str(root), os.environ["PYTHONPATH"]])
    parent = start([sys.executable, "-c", code], PYTHONPATH=path)
    pid = int(parent.stdout.readline())
    assert is_alive(pid)
    parent.kill()  # it can clean up nothing, and its worker is in a long call
    parent.communicate()
    deadline = time.monotonic() + 600
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_alive(pid)


@pytest.mark.backend_free
def test_a_worker_that_is_gone_says_so(made_up):
    worker = Process(made_up)
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(Failed, match="ended with code -9"):
        worker.ask("forget")
    worker.close()


@pytest.mark.backend_free
def test_what_grows_is_measured_until_it_takes_too_long(made_up):
    shapes = [TINY._replace(steps=3 * 10**k) for k in range(4)]
    groups = tuple((Case("mine", "tells", "train", shape),) for shape in shapes)
    found, work = made(), Work("growth", "growth", groups, grows=True)
    with Processes({"mine": made_up}) as processes:
        watch = machine.Watch()
        measure.measure([work], 1, processes, watch, found, lambda *_: None)
    told = [timing.failed for timing in found.timings]
    assert told == ["", *3 * ["would take over 1.5 s"]]
    assert found.timings[0].memory > 1 << 24 or sys.platform != "linux"


MISTAKES = {
    "no such work": (["--only", "tarin"], ["--only tarin", "train, forward"]),
    "no such case": (["--only", "train/GRU9"], ["train/GRU9"]),
    "no rounds": (["--rounds", "0"], ["rounds", "0", "1 or more"]),
    "no such backend": (["--backend", "theano"], ["'theano'", "jax"]),
    "no such folder": (["--data-dir", "nowhere"], ["nowhere", "imdb.npz"]),
    "nowhere to write": (["--json", "nowhere/a.json"], ["--json", "folder"]),
    "no picture": (["--plot", "a.txt"], ["--plot a.txt", ".png"]),
    "no results": (["--results", "none.json"], ["none.json"]),
    "other results": (["--results", "other.json"], ["other.json", "slimrnn bench"]),
}
if not native.reason():
    MISTAKES["no such isa"] = ["--isa", "mmx"], ["instruction set 'mmx'", "Allowed: "]


@pytest.mark.backend_free
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_reported_in_a_sentence(tmp_path, monkeypatch, capsys, mistake):
    monkeypatch.chdir(tmp_path)
    Path("other.json").write_text("[]")
    words, named = MISTAKES[mistake]
    code, out, err = command(capsys, *words)
    assert (code, out) == (2, "")
    assert re.fullmatch(r"slimrnn: .+\.\n", err), err
    assert all(text in err for text in named), err
    assert os.listdir() == ["other.json"]


@pytest.mark.backend_free
def test_without_a_clone(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    installed = tmp_path / "site-packages" / "slimrnn" / "benchmark.py"
    monkeypatch.setattr(bench, "__file__", str(installed))
    code, out, err = command(capsys, "--quick")
    assert (code, out) == (2, "")
    assert re.fullmatch(r"slimrnn: The benchmark is run from a clone .+\.\n", err)


def test_ctrl_c_ends_all_and_writes_what_there_is(tmp_path):
    out = tmp_path / "run"
    case = f"keras/keras-{BACKEND} SimpleRNN predict*"
    words = ["--only", case, "--rounds", "100000", "--out", str(out)]
    run = start([sys.executable, "-m", "slimrnn", "bench", *words])
    for line in run.stderr:
        if line.startswith("in a Keras model"):
            break
    workers, deadline = [], time.monotonic() + 600
    while not workers and time.monotonic() < deadline:
        time.sleep(0.1)
        workers = children(run.pid)
    run.send_signal(signal.SIGINT)
    _, err = run.communicate(timeout=600)
    assert run.returncode == 130
    assert "stopped by Ctrl-C" in err
    assert "Traceback" not in err
    assert not any(map(is_alive, workers))
    assert results.read(out / "bench.json").about["rounds"] == 100000


SCRIPTS = sorted(
    path.stem
    for path in Path(measure.__file__).parent.glob("*.py")
    if "script.run(main)" in path.read_text("utf-8")
)


@pytest.mark.backend_free
@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_says_what_it_measures(name):
    script = importlib.import_module(f"benchmarks.{name}")
    text = script.parser().format_help()
    assert f"usage: python -m benchmarks.{name} " in text
    said = " ".join(script.__doc__.partition("\n\n")[2].split())
    assert said.partition(". ")[0] in " ".join(text.split())


@pytest.mark.backend_free
@pytest.mark.parametrize(
    "name", ["works", "report", "picture", "worker", "peers", "growth", "machine"]
)
def test_examples(name):
    module = importlib.import_module(f"benchmarks.{name}")
    tried = doctest.testmod(module)
    assert tried.attempted
    assert not tried.failed
