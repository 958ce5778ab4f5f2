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
from benchmarks import (
    growth,
    machine,
    measure,
    picture,
    report,
    results,
    verdicts,
    works,
)
from benchmarks.peers import PEERS, Peer
from benchmarks.processes import Failed, Process, Processes
from benchmarks.works import Case, G, S, Shape, Work

from processes import start
from slimrnn import backends, cli, native
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
    tells = {"told": Call(lambda: 1.5, tells=True)}
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


def is_alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


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


def timing(name, milliseconds, work="train", shape=S, failed=""):
    peer, row, task = name.split()
    seconds = [1e-3 * ms for ms in milliseconds]
    case = Case(peer, row, task, shape)
    return results.Timing(work, case, "", {}, seconds, failed)


def made(*timings):
    about = {"processor": "abacus", "cores": 2, "python": "3", "versions": {}}
    quiet = machine.Watch().report()
    return results.Results(about, quiet, list(timings))


def printed(found):
    from rich.console import Console

    screen = Console(width=120, highlight=False)
    with screen.capture() as capture:
        for part in report.tables(found):
            screen.print(part)
    return capture.get()


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("ours", "peer", "said"),
    [
        ([10, 11, 10], [80, 86, 87], "met"),
        ([10, 10, 10], [100, 110, 115], "stretch"),
        ([10, 10, 10], [79, 90, 90], "MISSED"),
        ([10, 30, 30], [81, 90, 90], "MISSED"),  # only by the minimum
    ],
)
def test_both_ratios_have_to_reach_the_target(ours, peer, said):
    found = made(
        timing("native-jax LSTM6 train", ours), timing("torch LSTM train", peer)
    )
    first = verdicts.judge(found)[0]
    assert first.said == said
    assert first.wanted == "8x / 10x"
    assert first.ratios[0] == pytest.approx(min(peer) / min(ours))
    assert said in printed(found)


@pytest.mark.backend_free
def test_the_peer_is_the_faster_of_two():
    found = made(
        timing("numpy LSTM6 forward", [2], "forward"),
        timing("torch LSTM forward", [9], "forward"),
        timing("onnx LSTM forward", [6], "forward"),
    )
    (verdict,) = verdicts.judge(found)
    assert verdict.peer.case.peer == "onnx"
    assert verdict.said == "MISSED"


@pytest.mark.backend_free
def test_shares_and_what_must_not_last_longer():
    step = works.STEP
    found = made(
        timing("stream LSTM6 step", [0.001], "stream", step),
        timing("onnx LSTM step", [0.0069], "stream", step),
        timing("stream LSTM6 inside", [0.0005], "stream", step),
        timing("numpy LSTM6 reading", [0.0004], "stream", step),
        timing("numpy LSTM6 train", [10]),
        timing("numpy LSTM6 floor", [6]),
    )
    judged = {v.wanted: v.said for v in verdicts.judge(found) if not v.reason}
    assert judged == {"at most 1.3x": "met", "7x": "MISSED", "55% / 65%": "met"}
    assert "60% / 60%" in printed(found)
    assert "1.25 / 1.25" in printed(found)


# What the processor does at most, against what was done: task -> milliseconds.
IMPOSSIBLE = [
    ("train", S, {"numpy LSTM6 product": [4, 4], "numpy LSTM6 floor": [3.9, 5]}),
    ("train", S, {"numpy LSTM6 train": [4, 4], "numpy LSTM6 floor": [3, 5.1]}),
    (
        "stream",
        works.STEP,
        {"stream LSTM6 inside": [4, 4], "numpy LSTM6 reading": [5, 5]},
    ),
]


@pytest.mark.backend_free
@pytest.mark.parametrize(("work", "shape", "took"), IMPOSSIBLE)
def test_more_than_the_whole_fails(tmp_path, capsys, work, shape, took):
    found = made(*(timing(*case, work, shape) for case in took.items()))
    file = tmp_path / "mine.json"
    found.write(file)
    code, out, err = command(capsys, "--results", file)
    assert code == 1
    assert "IMPOSSIBLE" in out
    assert " met" not in out.partition("A target is met")[0]
    assert re.search(r"^slimrnn: .+ reached \d{3}% of .+ run the benchmark again", err)


@pytest.mark.backend_free
def test_what_is_missing_is_no_verdict():
    found = made(
        timing("native-jax LSTM6 train", [], failed="no compiler"),
        timing("numpy LSTM6 train", [5]),
        timing("torch LSTM train", [], failed="not today"),
    )
    reasons = {v.reason for v in verdicts.judge(found)}
    assert "no compiler" in reasons
    assert "no torch LSTM: not today" in reasons
    text = printed(found)
    assert "not today" in text
    assert "MISSED" not in text


@pytest.mark.backend_free
def test_targets_name_what_is_measured():
    planned = works.works(backends.BACKENDS)
    names = {(w.name, str(c)) for w in planned for g in w.groups for c in g}
    peers = {c.peer for w in planned for g in w.groups for c in g}
    assert peers == set(PEERS)
    for target in verdicts.targets():
        work, task = target["work"], target.get("task", target["work"])
        small = works.FITTED if task == "fit64" else works.SMALL
        shapes = {"long": [works.LONG], "stream": [works.STEP], "small": small}
        for shape in shapes.get(work, [S]):
            for row in target["rows"]:
                for way in target["ours"]:
                    assert (work, f"{way} {row} {task} {shape}") in names
                    backend = way.partition("-")[2]
                    for peer in [*target.get("peer", []), target.get("control")]:
                        if peer:
                            peer = peer.format(row=row, backend=backend)
                            other = target.get("peer_task", task)
                            assert (work, f"{peer} {other} {shape}") in names


def grown(seconds):
    """Growth as `seconds(case)` has it, of all points and lines."""
    (work,) = works.chosen(works.works(["jax", "torch"]), ["growth"])
    return [
        results.Timing(work.name, case, "", {}, [seconds(case)], memory=case.size)
        for group in work.groups
        for case in group
    ]


def taken(case):
    """The time of the busiest thread's blocks, and a rest."""
    blocks = growth.busiest(case.shape.batch, case.threads or 2)
    return 1e-3 + blocks * 1e-5 * case.shape.steps * case.layers


@pytest.mark.backend_free
def test_growth_has_slopes_and_a_model_of_its_threads(monkeypatch):
    monkeypatch.setattr(machine, "cores", lambda: 2)
    found = made(*grown(taken))
    slopes, threads = growth.tables(found)
    line = next(row for row in slopes.rows if row[0] == "LSTM6 native, JAX, 1 thread")
    assert line[1] == "1.00 / 1.00"
    assert line[4].startswith("0.")
    row = next(row for row in threads.rows if row[0] == "LSTM6")
    one = 1e-3 + 4 * 1e-5 * G.steps
    expected = ["1.000", f"{10 * 1e-3 * G.steps:.3f}", "0% / 0%"]
    assert row[1:4] == expected
    assert row[4] == f"{one / (1e-3 + 2 * 1e-5 * G.steps):.1f}"
    assert growth.tables(made()) == []


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
    assert found.timings[0].memory > 0 or sys.platform != "linux"


@pytest.mark.backend_free
def test_the_picture_and_the_readmes_table(tmp_path, capsys):
    found = made(
        timing("numpy LSTM6 train", [5, 5]),
        timing("torch LSTM train", [50, 60]),
        timing("torch RNN train", [20, 22]),
        *grown(taken),
    )
    assert picture.write(found, tmp_path / "bench.png")
    assert (tmp_path / "bench.png").read_bytes()[:4] == b"\x89PNG"
    assert not picture.write(made(), tmp_path / "none.png")
    file = tmp_path / "mine.json"
    found.write(file)
    line = (
        "| training at S | LSTM6 native, NumPy | torch.nn.LSTM | 10.0 / 11.0 "
        "| torch.nn.RNN(tanh) | 4.0 / 4.2 |"
    )
    code, out, _ = command(capsys, "--results", file, "--markdown")
    assert code == 0
    assert out.startswith("\n".join([*HEAD, line, ""]))
    assert "## Slopes" in out
    assert results.read(file) == found
    code, out, _ = command(capsys, "--results", file, "--plot", tmp_path / "b.svg")
    assert code == 0
    assert re.search(
        r"LSTM6 native, NumPy +5.00 .* 10.00 / 11.00 +8x / 10x +stretch", out
    )
    assert (tmp_path / "b.svg").stat().st_size > 0


@pytest.mark.backend_free
def test_runs_side_by_side(tmp_path, capsys):
    times = {"mine": [70, 80], "theirs": [90, 95]}
    for name, peer in times.items():
        found = made(
            timing("numpy LSTM6 train", [10, 10]), timing("torch LSTM train", peer)
        )
        found.about |= {"processor": name, "isa": "avx2"}
        found.write(tmp_path / name)
    files = [tmp_path / name for name in times]
    code, out, _ = command(capsys, "--results", *files, "--markdown")
    assert code == 0
    assert "| mine, 2 cores, avx2 | theirs, 2 cores, avx2 |" in out
    line = "training at S | LSTM6 native, NumPy | torch.nn.LSTM | 8x / 10x"
    assert f"| {line} | 7.00 / 7.50 MISSED | 9.00 / 9.25 |" in out
    code, out, _ = command(capsys, "--results", *files)
    assert code == 0
    assert "7.00 / 7.50 MISSED" in " ".join(out.split())
    code, _, err = command(capsys, "--results", *files, "--plot", "a.png")
    assert code == 2
    assert "--plot draws one run" in err


HEAD = (
    "| work | layer | faster than | times | equal-work control | times |",
    "| --- | --- | --- | ---: | --- | ---: |",
)


def command(capsys, *words):
    code = cli.main(["bench", *map(str, words)])
    return code, *capsys.readouterr()


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


def children(pid):
    """The worker processes of a process."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(stat[1]) == pid:
            found.append(int(folder.name))
    return found


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
