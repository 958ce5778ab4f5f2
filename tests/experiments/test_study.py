"""Studies: which trials there are, and the mistakes in them."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from slimrnn import cli
from slimrnn.errors import InputError
from slimrnn.experiments.run import build
from slimrnn.experiments.run.settings import Settings
from slimrnn.experiments.sweep import published, scheduler
from slimrnn.experiments.sweep import study as studies
from slimrnn.variants import Variant, get, serialize
from sweeps import study_of

pytestmark = pytest.mark.backend_free

OWN = "family = 'mgu'\n[gates]\nf = 0.5\nc = {x = 'full', h = 'full'}\n"


def test_a_study_file_is_the_product_of_its_lists(tmp_path):
    file = tmp_path / "a.toml"
    file.write_text(
        'title = "A"\n[settings]\nunits = 4\n'
        '[grid]\nvariant = ["LSTM", "lstm6", "LSTM6"]\nseed = [1, 2]\n'
        "gate_constants.f = [0.4, 0.9]\n"
    )
    found = list(studies.read(file).trials())
    assert [(x.name, x.seed, x.gate_constants) for x in found] == [
        ("LSTM", 1, None),
        ("LSTM", 2, None),
        *[("LSTM6", seed, {"f": f}) for seed in (1, 2) for f in (0.4, 0.9)],
    ]
    assert {x.units for x in found} == {4}


def test_a_trial_is_known_by_its_settings(tmp_path):
    settings = Settings.of("LSTM6", units=4)
    key = settings.key()
    assert re.fullmatch(r"LSTM6-seed1-[0-9a-f]{12}", key)
    assert Settings.of("lstm6", units=4, data_dir=str(tmp_path)).key() == key
    assert replace(settings, dropout=0, padding="behind").key() == key
    for change in ({"units": 5}, {"seed": 2}, {"gate_constants": {"f": 0.3}}):
        assert replace(settings, **change).key() != key
    odd = replace(get("LSTM6"), name="../a b")
    assert Path(Settings.of(odd).key()).name == Settings.of(odd).key()


def test_an_own_variant_is_kept_without_its_file(tmp_path):
    own, lab, file = tmp_path / "own.toml", tmp_path / "lab.py", tmp_path / "a.toml"
    own.write_text(OWN)
    lab.write_text(
        "from slimrnn import Variant, get\n"
        "LAB = Variant('Lab', 'lstm', get('LSTM6').without_bias().gates)\n"
    )
    file.write_text(f"[grid]\nvariant = ['LSTM', '{own}']\n")
    study = studies.read(file).changed({"variant": ["LSTM", str(own), f"{lab}:LAB"]})
    own.unlink()
    lab.unlink()
    kept = studies.Study.from_config(json.loads(json.dumps(study.config())))
    assert [trial.name for trial in kept.trials()] == ["LSTM", "own", "Lab"]
    other = serialize(Variant("LSTM10", "lstm", get("LSTM6").gates))
    with pytest.raises(InputError, match=r"Two different variants .* called LSTM10"):
        kept.changed({"variant": ["LSTM10", other]})


def test_a_study_has_so_many_trials():
    seeds = {"seed": list(range(10**4))}
    study = studies.Study(settings={"variant": "LSTM6"}, grid=seeds)
    assert len(list(study.combinations())) == 10**4
    with pytest.raises(InputError, match="from 1 to 10000; received 100000"):
        study.changed({"units": list(range(1, 11))})


MISTAKES = {
    "[grid]\nvariant = 'LSTM'": "must be a list",
    "[grid]\nvariant = []": "must be a list",
    "[grid]\nspeed = [1]": "Unknown \\[grid\\] setting 'speed'; the nearest is seed",
    "speed = 1": "Unknown key of a study 'speed'",
    "[settings]\nunits = 4": "no variant",
    "[settings]\nvariant = 'LSTM'\n[grid]\nvariant = ['LSTM']": "in one of them",
    "grid = 3": "must be a table",
    "[grid": "not valid TOML",
    "match = 'time'\n[settings]\nvariant = 'LSTM'": "Unknown key of a study 'match'",
    "[settings]\nvariant = 'LSTM'\n[search]\npoints = 3\nunits = {low = 9, high = 2}": (
        "a list of values or a range"
    ),
    "[settings]\nvariant = 'LSTM'\n[search]\nunits = [1, 2]": "number of points",
    "[settings]\nvariant = 'LSTM'\n[search]\npoints = 2\nseed = [1]": "not searched",
    "[search]\npoints = 2\nvariant = ['LSTM', 'LSTM6']": "not searched",
    "[settings]\nvariant = 'LSTM'\n[search]\npoints = 2\n"
    "dropout = {low = 0, high = 0.5, log = true}": "log needs a low end above 0",
    "[settings]\nvariant = 'LSTM'\n[search]\npoints = 2\n"
    "learning_rate = {low = 0.1, high = inf}": "a list of values or a range",
    "title = 3\n[settings]\nvariant = 'LSTM'": "title of a study must be a text",
    "notes = 'ab'\n[settings]\nvariant = 'LSTM'": "notes of a study must be a list",
    "[settings]\nvariant = 'LSTM'\n[[published]]\nwhere = {}": "published",
    "[settings]\nvariant = 'LSTM'\n'gate_constants.' = 1": "Unknown .* setting",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_in_a_study_is_reported(tmp_path, text):
    file = tmp_path / "study.toml"
    file.write_text(text)
    with pytest.raises(InputError, match=MISTAKES[text]) as error:
        studies.read(file)
    assert str(file) in str(error.value)


SAME = ["--units", "4", "--learning-rate", ".01,.001", "--seeds", "2", "--epochs", "3"]
COMMANDS = {
    "train": ["train", "LSTM6"],
    "compare": ["compare", "LSTM6"],
    "sweep": ["sweep", "--set", "variant=LSTM6"],
}


@pytest.fixture
def trials_of(monkeypatch):
    """What a command line is about to train."""
    found = []

    def carry_out(args, begin, *rest):
        found[:] = begin()[0].trials()
        return 0

    def ask(*words):
        assert cli.main([*map(str, words)]) == 0
        return found

    monkeypatch.setattr("slimrnn.cli.trials.carry_out", carry_out)
    return ask


def test_train_takes_a_variant_of_ones_own(trials_of, tmp_path):
    own = tmp_path / "own.toml"
    own.write_text(OWN)
    assert [x.name for x in trials_of("train", own, "--seeds", 2)] == ["own", "own"]


@pytest.mark.parametrize("command", COMMANDS)
def test_flags_mean_the_same_everywhere(command, trials_of):
    found = trials_of(*COMMANDS[command], *SAME)
    assert [(x.name, x.learning_rate, x.seed) for x in found] == [
        ("LSTM6", rate, seed) for rate in (0.01, 0.001) for seed in (1, 2)
    ]
    assert {(x.units, x.epochs) for x in found} == {(4, 3)}


def test_all_that_is_given_with_set_counts(trials_of):
    given = ["--set", "variant=LSTM,LSTM6", "--set", "seed=1,2", "units=4"]
    assert len(trials_of("sweep", *given)) == 4


BAD_TRIALS = [
    ["variant=LSTX"],
    ["variant=LSTM6", "units=0"],
    ["variant=LSTM6", "learning_rate=fast"],
    ["variant=GRU3", "init=packed"],
    ["variant=LSTM", "gate_constants.f=0.5", "init=packd"],
    ["variant=LSTM6", "optimizer_options.speed=2"],
    ["variant=LSTM6", "head=sigmoid"],
    ["variant=LSTM6", "units"],
    ["variant=LSTM6", "gate_constants=5", "gate_constants.f=0.5"],
    ["variant=LSTM6", "dataset=1"],
    ["variant=LSTM6", "words=much"],
    ["variant=LSTM6", f"learning_rate={'9' * 400}"],
    ["variant=LSTM6", "variant=LSTM"],
]


@pytest.mark.parametrize("words", BAD_TRIALS, ids=" ".join)
def test_a_bad_trial_is_reported_before_anything_is_written(tmp_path, capsys, words):
    out = tmp_path / "out"
    assert cli.main(["sweep", "--set", *words, "--out", str(out)]) == 2
    err = capsys.readouterr().err
    assert err.startswith("slimrnn: ")
    assert "Traceback" not in err
    assert not out.exists()


@pytest.mark.parametrize("name", published.names())
def test_the_studies_of_the_library_are_whole(name, data_dir):
    """Each can be run as it stands, and its published results belong to its trials."""
    study = published.read(name).changed({"data_dir": [str(data_dir)]})
    assert study.title
    assert study.source
    assert study.notes
    scheduler.check(study)
    trials = [] if study.search else [x.config() for x in study.trials()]
    for entry in study.published:
        found = [x for x in trials if all(x[k] == v for k, v in entry["where"].items())]
        assert len(found) == 1, entry


def test_one_gate_constant_concerns_the_variants_that_have_it():
    study = study_of(grid={"variant": ["LSTM", "LSTM6"]})
    trials = list(study.changed({"gate_constants.f": [0.5]}).trials())
    assert [x.gate_constants for x in trials] == [None, {"f": 0.5}]


def test_own_data_are_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    whole = str(tmp_path / "mine.npz")
    settings = Settings.of("LSTM6", data="mine.npz")
    assert settings.data == whole
    own = study_of(settings={"data": "mine.npz"})
    assert own.settings["data"] == whole
    both = study_of(grid={"variant": ["LSTM6"], "data": ["mine.npz", "b/c.npz"]})
    assert both.grid["data"] == [whole, str(tmp_path / "b" / "c.npz")]
    x, y = np.zeros((4, 2, 3)), np.arange(4) % 2
    (tmp_path / "new").mkdir()
    np.savez("new/mine.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    with pytest.raises(InputError, match="does not exist"):
        build.load(settings)
    assert build.load(replace(settings, data_dir="new")).classes == 2


def test_the_command_of_a_run_repeats_it():
    settings = Settings.of("LSTM6", gate_constants={"f": 0.5871234987})
    assert settings.command().endswith("f=0.5871234987")
