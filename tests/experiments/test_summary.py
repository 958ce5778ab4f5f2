"""The arithmetic of comparisons and sweeps, against numbers worked out by hand."""

import math
from pathlib import Path

import pytest

from made_runs import SITUATIONS, make_runs
from slimrnn.experiments.analysis import curves
from slimrnn.experiments.analysis.grouping import (
    by_dataset,
    configurations,
    varied_settings,
)
from slimrnn.experiments.analysis.outcomes import describe, validation_note
from slimrnn.experiments.analysis.statistics import Spread
from slimrnn.experiments.analysis.summary import summarize
from slimrnn.experiments.run.store import Run

pytestmark = pytest.mark.backend_free


def run(variant, **result):
    return Run(Path(variant), {"variant": variant, "seed": 0}, {}, [], result)


def configured(**config):
    return Run(Path("a"), {"variant": "LSTM", "seed": 0, **config}, {}, [], {})


def done(variant, accuracy, seconds=1.0, parameters=100):
    return run(
        variant,
        status="done",
        test_accuracy=accuracy,
        seconds_per_epoch=seconds,
        prediction_seconds=seconds / 100,
        layer_parameters=parameters,
        model_parameters=parameters + 100,
    )


def test_spread_is_that_of_a_sample():
    assert Spread.of([0.8, 0.9, 1.0]) == Spread(
        pytest.approx(0.9), pytest.approx(0.1), 3
    )
    assert Spread.of([0.5]) == Spread(0.5, None, 1)
    assert Spread.of([None, math.nan, math.inf]) == Spread(None, None, 0)


def test_rows_average_over_seeds_and_relate_to_the_lstm():
    runs = [
        done("LSTM6", 0.90, seconds=0.2, parameters=25),
        done("LSTM", 0.96, seconds=1.0),
        done("LSTM6", 0.92, seconds=0.4, parameters=25),
        done("LSTM", 0.94, seconds=1.4),
    ]
    summary = summarize(runs)
    assert summary.reference == "LSTM"
    assert summary.metric == "accuracy"
    slim, lstm = summary.rows
    assert (slim.variant, lstm.variant) == ("LSTM6", "LSTM")
    assert slim.layer_parameters == 25
    assert slim.score.mean == pytest.approx(0.91)
    assert slim.score.std == pytest.approx(0.01 * math.sqrt(2))
    assert slim.seconds_per_epoch.mean == pytest.approx(0.3)
    assert slim.ratios["layer_parameters"] == 0.25
    assert slim.ratios["model_parameters"] == 125 / 200
    assert slim.ratios["score"] == pytest.approx(0.91 / 0.95)
    assert slim.ratios["seconds_per_epoch"] == pytest.approx(0.3 / 1.2)
    assert slim.ratios["prediction_seconds"] == pytest.approx(0.3 / 1.2)
    assert lstm.ratios["score"] == 1


def test_only_runs_that_ended_well_enter_a_mean():
    lost = run("LSTM", status="diverged", test_accuracy=0.1, seconds_per_epoch=9.0)
    runs = [done("LSTM", 0.9), lost, run("LSTM"), run("LSTM", status="failed")]
    (row,) = summarize(runs).rows
    assert row.score == Spread(0.9, None, 1)
    assert row.seconds_per_epoch.mean == 1.0
    counts = (len(row.runs), row.done, row.diverged, row.interrupted, row.failed)
    assert counts == (4, 1, 1, 1, 1)


def test_without_an_lstm_the_first_variant_is_the_reference():
    lost = run("GRU1", status="diverged", layer_parameters=60)
    summary = summarize([done("GRU", 0.8), lost])
    assert summary.reference == "GRU"
    ratios = summary.rows[1].ratios
    assert ratios["layer_parameters"] == 0.6
    assert (ratios["score"], ratios["seconds_per_epoch"]) == (None, None)


def test_the_runs_are_described_by_what_they_share(tmp_path):
    runs = make_runs(tmp_path, SITUATIONS["three seeds"])
    phrases = ["digits", "32 units", "tanh", "adam at 0.01", "batches of 32"]
    assert describe(runs) == [*phrases, "12 epochs", "3 seeds"]
    assert "10 % of the training data" in validation_note(runs)
    assert validation_note([run("LSTM")]) == ""
    on_test = Run(Path("a"), {"variant": "A", "validate_on_test": True}, {}, [], {})
    assert "test data" in validation_note([on_test])


def curve_run(status, losses):
    lines = [{"epoch": i + 1, "loss": loss} for i, loss in enumerate(losses)]
    return Run(Path("a"), {"variant": "LSTM"}, {}, lines, {"status": status})


def test_curves_are_means_of_what_ended_well_and_single_runs_of_the_rest():
    runs = [
        curve_run("done", [1.0, 0.5]),
        curve_run("done", [2.0, 0.7]),
        curve_run("diverged", [1.5, 1e9, None]),
    ]
    panel = curves.panels(summarize(runs), "loss")["training"]
    mean, lost = panel.curves
    assert (mean.status, lost.status) == ("done", "diverged")
    assert mean.means == pytest.approx([1.5, 0.6])
    assert mean.points[0].std == pytest.approx(math.sqrt(0.5))
    assert lost.epochs == (1, 2)
    assert panel.axis.high < 3, "what explodes must not flatten the rest"


def test_a_loss_over_decades_has_a_logarithmic_axis():
    summary = summarize([curve_run("done", [2.0, 0.2, 0.001])])
    panel = curves.panels(summary, "loss")["training"]
    assert panel.axis.log
    assert 0 < panel.axis.low < 0.001


# ------------------------------------------------------------------ points and axes


def test_axes_are_the_settings_that_differ():
    runs = [
        configured(units=8, gate_constants=None, words=None, seed=1),
        configured(units=8, gate_constants={"f": 0.5}, words=100, seed=2),
        configured(units=8, gate_constants={"f": 0.25}, data_dir="b"),
    ]
    assert varied_settings(runs) == {
        "variant": ("LSTM",),
        "gate_constants f": (0.25, 0.5, None),
        "words": (100, None),
    }
    assert varied_settings(runs[:1]) == {"variant": ("LSTM",)}


def test_a_point_is_what_shares_all_but_the_seed_and_the_place_of_the_data():
    runs = [
        configured(units=8, seed=1, data_dir="a"),
        configured(units=4, seed=1),
        configured(units=8, seed=2, data_dir="b"),
        configured(units=4, seed=2, variant="LSTM6"),
    ]
    sizes = [
        [(r.config["variant"], r.config["units"]) for r in p]
        for p in configurations(runs)
    ]
    assert sizes == [[("LSTM", 4)], [("LSTM", 8)] * 2, [("LSTM6", 4)]]


def test_values_of_any_kind_are_points():
    odd = [True, 0.5, "a", None, [1, 2], {"b": {"c": 1}}]
    runs = [configured(odd=value) for value in odd]
    assert len(configurations(runs)) == len(summarize(runs).rows) == len(odd)


def test_only_the_same_data_are_one_problem(tmp_path):
    runs = make_runs(tmp_path, SITUATIONS["two data sets"])
    problems = by_dataset(runs)
    assert list(problems) == ["digits", "mine.npz"]
    metrics = [summarize(own).metric for own in problems.values()]
    assert metrics == ["accuracy", "mae"]
    files = ["/a/mine.npz", "/b/mine.npz", "/b/other.npz"]
    runs = [configured(dataset=None, data=file) for file in files]
    assert list(by_dataset(runs)) == [*files[:2], "other.npz"]


def trial(variant, rate, seed, validation, test, metric="accuracy", status="done"):
    scores = {f"val_{metric}": validation, f"test_{metric}": test}
    config = {"variant": variant, "learning_rate": rate, "seed": seed}
    return Run(Path("a"), config, {}, [], {"status": status, **scores})


def best_rates(runs):
    return {row.variant: row.values["learning_rate"] for row in summarize(runs).best}


@pytest.mark.parametrize(
    ("metric", "better", "worse"), [("accuracy", 0.9, 0.8), ("mae", 0.8, 0.9)]
)
def test_the_best_point_is_chosen_on_validation_data(metric, better, worse):
    runs = [
        trial("LSTM", 0.1, 1, worse, better, metric),
        trial("LSTM", 0.2, 1, better, worse, metric),
        trial("LSTM6", 0.1, 1, better, worse, metric),
        trial("LSTM6", 0.2, 1, worse, better, metric),
    ]
    assert best_rates(runs) == {"LSTM": 0.2, "LSTM6": 0.1}


def test_a_point_that_lost_a_seed_is_not_the_best():
    runs = [
        trial("LSTM", 0.1, 1, 0.99, 0.9),
        trial("LSTM", 0.1, 2, 0.99, 0.9, status="diverged"),
        trial("LSTM", 0.2, 1, 0.7, 0.7),
        trial("LSTM", 0.2, 2, 0.7, 0.7),
    ]
    assert best_rates(runs) == {"LSTM": 0.2}
    assert [row.rank for row in summarize(runs).rows] == [1, 0]


def test_all_relate_to_the_best_point_of_the_lstm():
    runs = (
        [trial("LSTM", 0.1, seed, 0.8, 0.7) for seed in (1, 2)]
        + [trial("LSTM", 0.2, seed, 0.9, 0.8) for seed in (1, 2)]
        + [trial("LSTM6", 0.1, 1, 0.9, 0.6)]
    )
    worse, base, slim = summarize(runs).rows
    assert (base.is_best, base.difference, base.ratios["score"]) == (True, None, 1)
    assert worse.difference.mean == pytest.approx(-0.1)
    assert worse.difference.seeds == 2
    assert slim.ratios["score"] == pytest.approx(0.75)
    assert (slim.difference.low, slim.difference.seeds) == (None, 1)


def test_the_test_scores_of_a_run_make_pairs(tmp_path):
    runs = make_runs(tmp_path, SITUATIONS["three seeds"])
    rows = summarize(runs).rows
    for row in rows[1:]:
        assert row.difference.sequences == 360
        assert row.difference.mean == pytest.approx(
            row.score.mean - rows[0].score.mean, abs=0.005
        )
    (tmp_path / "run-00" / "test_scores.npy").write_bytes(b"damaged")
    assert {row.difference.sequences for row in summarize(runs).rows[1:]} == {None}


def test_of_points_that_validate_alike_the_least_loss_is_the_best():
    """Where all of a few held-out sequences are right, the score tells nothing."""
    alike = {"status": "done", "test_accuracy": 0.9, "val_accuracy": 1.0}
    runs = [
        Run(
            Path("a"), {"variant": "LSTM", "units": n}, {}, [], {**alike, "val_loss": x}
        )
        for n, x in ((1, 0.3), (2, 0.1), (3, 0.2))
    ]
    assert [row.rank for row in summarize(runs).rows] == [2, 0, 1]
