"""The arithmetic of a comparison, against numbers worked out by hand."""

import math
from pathlib import Path

import pytest

from made_runs import SITUATIONS, make_runs
from slimrnn.experiments import curves
from slimrnn.experiments.store import Run
from slimrnn.experiments.summary import Spread, describe, summarize, validation_note


def run(variant, **result):
    return Run(Path(variant), {"variant": variant, "seed": 0}, {}, [], result)


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
    assert slim.ratios.layer_parameters == 0.25
    assert slim.ratios.model_parameters == 125 / 200
    assert slim.ratios.score == pytest.approx(0.91 / 0.95)
    assert slim.ratios.seconds_per_epoch == pytest.approx(0.3 / 1.2)
    assert slim.ratios.prediction_seconds == pytest.approx(0.3 / 1.2)
    assert lstm.ratios.score == 1


def test_only_runs_that_ended_well_enter_a_mean():
    lost = run("LSTM", status="diverged", test_accuracy=0.1, seconds_per_epoch=9.0)
    runs = [done("LSTM", 0.9), lost, run("LSTM"), run("LSTM", status="failed")]
    (row,) = summarize(runs).rows
    assert row.score == Spread(0.9, None, 1)
    assert row.seconds_per_epoch.mean == 1.0
    counts = (row.runs, row.done, row.diverged, row.interrupted, row.failed)
    assert counts == (4, 1, 1, 1, 1)


def test_without_an_lstm_the_first_variant_is_the_reference():
    lost = run("GRU1", status="diverged", layer_parameters=60)
    summary = summarize([done("GRU", 0.8), lost])
    assert summary.reference == "GRU"
    ratios = summary.rows[1].ratios
    assert ratios.layer_parameters == 0.6
    assert (ratios.score, ratios.seconds_per_epoch) == (None, None)


def test_regression_is_compared_by_its_mae(tmp_path):
    runs = make_runs(tmp_path, SITUATIONS["regression"])
    summary = summarize(runs)
    assert summary.metric == "mae"
    assert summary.rows[0].score.n == 3


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
    panel = curves.panels(runs, "loss")["training"]
    mean, lost = panel.curves
    assert (mean.status, lost.status) == ("done", "diverged")
    assert mean.means == pytest.approx([1.5, 0.6])
    assert mean.points[0].std == pytest.approx(math.sqrt(0.5))
    assert lost.epochs == (1, 2)
    assert panel.axis.high < 3, "what explodes must not flatten the rest"


def test_a_loss_over_decades_has_a_logarithmic_axis():
    panel = curves.panels([curve_run("done", [2.0, 0.2, 0.001])], "loss")["training"]
    assert panel.axis.log
    assert 0 < panel.axis.low < 0.001
