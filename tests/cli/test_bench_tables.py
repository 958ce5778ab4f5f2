"""What the benchmark says of its results: verdicts, tables, growth, pictures."""

import re

import pytest
from benchmarks import growth, machine, picture, results, verdicts, works
from benchmarks.peers import PEERS
from benchmarks.works import S

from bench_results import command, made, printed, timing
from slimrnn import backends


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
        results.Timing(work.name, case, "", {}, [seconds(case)], memory=1e6 * case.size)
        for group in work.groups
        for case in group
    ]


def taken(case):
    """A fifth that any number of threads takes, and the busiest thread's blocks."""
    batch, steps, _, _ = case.shape
    one, blocks = growth.busiest(batch, 1), growth.busiest(batch, case.threads or 2)
    return 1e-5 * steps * case.layers * (0.2 * one + 0.8 * blocks)


@pytest.mark.backend_free
def test_growth_has_slopes_and_a_model_of_its_threads(monkeypatch):
    monkeypatch.setattr(machine, "cores", lambda: 2)
    slopes, threads = growth.tables(made(*grown(taken)))
    line = next(row for row in slopes.rows if row[0] == "LSTM6 native, JAX, 1 thread")
    assert line[1] == line[4] == "1.00 / 1.00"
    rows = {row: cells for row, *cells in threads.rows}
    assert list(rows) == ["LSTM", "LSTM6", "LSTM10"]
    faster = ["1.7", "2.5", "1.7", "2.5", "3.3", "4.0"]
    assert rows["LSTM6"] == ["20.0%", "0%", *faster]
    assert growth.tables(made()) == []


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
