"""Columns: what rows become, that no split leaks, bad files told in a sentence."""

import contextlib

import numpy as np
import pytest

from made_data import is_one_sentence
from slimrnn import data
from slimrnn.data import targets
from slimrnn.errors import InputError

pytestmark = pytest.mark.backend_free

ROWS = 60
FRAME = {
    "a": np.linspace(0, 1, ROWS),
    "b": np.linspace(5, 3, ROWS) ** 2,
    "kind": np.array(["up", "down", "up"] * (ROWS // 3)),
    "of": np.repeat([4, 7, 9, 12, 15, 16], ROWS // 6),
    "label": np.repeat([1, 2, 2, 1, 2, 1], ROWS // 6),
}
#: choice -> shape of all sequences, task, outputs, by what it is split, steps vary
CASES = {
    "a row is a series": (
        {"target": "kind", "features": "a,b"},
        ((60, 2, 1), "classification", 2, None),
    ),
    "a group is a sequence": (
        {"target": "label", "group": "of", "test": 0.4, "features": ["a", "b"]},
        ((6, 10, 2), "classification", 2, None),
    ),
    "windows of groups": (
        {"target": "kind", "group": "of", "window": 4, "stride": 3},
        ((18, 4, 3), "classification", 2, "group"),
    ),
    "windows in time": (
        {"target": "kind", "window": 4, "features": "a"},
        ((57, 4, 1), "classification", 2, "time"),
    ),
    "a regression": (
        {"target": "a", "window": 5, "features": "b", "split": "fraction"},
        ((56, 5, 1), "regression", 1, None),
    ),
    "two targets": (
        {"target": "a,b", "window": 5, "features": "label"},
        ((56, 5, 1), "regression", 2, "time"),
    ),
    "a forecast": (
        {"target": "label", "group": "of", "window": 4, "horizon": 2},
        ((30, 4, 3), "regression", 1, "group"),
    ),
    "numbers of classes": (
        {"target": "label", "window": 4, "task": "regression", "features": "a"},
        ((57, 4, 1), "regression", 1, "time"),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_rows_become_sequences_and_no_split_leaks(case):
    choice, (shape, task, outputs, by) = CASES[case]
    found = data.load(frame=FRAME, **choice)
    train, held = found.split(0.2, seed=3)
    parts = (train, held, found.test)
    assert all(parts)
    count = sum(map(len, parts))
    assert count == shape[0] if by != "time" else shape[0] - 12 <= count < shape[0]
    for part in parts:
        assert part.x.padded().shape[1:] == shape[1:]
    assert (found.task, found.outputs) == (task, outputs)
    origin = found.train.origin
    assert by == (origin and origin.by)
    groups = [set(p.origin.group) for p in parts] if by == "group" else ()
    assert sum(map(len, groups)) == len(set().union(*groups))
    if by == "time":
        ends = [(p.origin.first.min(), p.origin.last.max()) for p in parts]
        assert ends[0][1] < ends[1][0]
        assert ends[1][1] < ends[2][0]


def test_a_target_lies_where_the_horizon_says():
    found = data.load(
        frame={"a": np.arange(20.0)}, target="a", window=3, horizon=4, split="fraction"
    )
    for part in (found.train, found.test):
        last = part.x.values[:, -1]
        np.testing.assert_array_equal(part.y, last + 4)
        np.testing.assert_array_equal(part.naive, last)


LABELS = {
    "floats": (np.array([0.0, 1, 2, 1, 0, 2]), "auto", 3),
    "truths": (np.array([True, False, True]), "auto", 2),
    "one-hot": (np.eye(3)[[0, 1, 2, 2]], "auto", 3),
    "one-hot of whole numbers": (np.eye(2, dtype=int)[[0, 1, 1]], "auto", 2),
    "fractions": (np.array([0.0, 1, 0.5, 1]), "auto", None),
    "many numbers": (np.arange(7.0, 80), "auto", None),
    "numbers of one-hot rows": (np.eye(3), "regression", None),
    "numbers of classes": (np.array([0, 1, 1]), "regression", None),
}


@pytest.mark.parametrize("case", LABELS)
def test_what_y_is(case):
    y, task, classes = LABELS[case]
    found = targets.read({"y": y}, "mine", task)
    (read,) = found.parts
    offers = task == "auto" and classes is not None
    assert found.reason
    assert found.reason.endswith(targets.ELSE) == offers
    if classes is None:
        assert (read.dtype, read.ndim) == (np.float32, 2)
    else:
        assert (read.dtype, read.max() + 1) == (np.int32, classes)


GOOD = "a,b,y\n" + "".join(f"{i},{i * i},{i % 2}\n" for i in range(12))
CHOICE = {"target": "y", "window": 2}
BAD = {
    "empty": ("", CHOICE, "is empty"),
    "no rows": ("a,b,y\n", CHOICE, "one row or more"),
    "no names": ("0.5,1,2\n3,4,5\n", CHOICE, "begins with numbers"),
    "two of a name": ("a,a,y\n1,2,3\n", {"features": "c"} | CHOICE, "no column 'c'"),
    "longer rows": ("a,y\n1,2,3\n1,2,3\n", CHOICE, "damaged one"),
    "a longer row": (GOOD + "1,2,3,4,5\n", CHOICE, "line 14"),
    "no target": (GOOD, {}, "give --target"),
    "another target": (GOOD, {"target": "z"}, "no column 'z'"),
    "missing": (GOOD + ",2,1\n", CHOICE, "column 'a' has 1 missing .* row 13"),
    "infinite": (GOOD + "inf,2,1\n", CHOICE, "column 'a' has 1 missing or infinite"),
    "texts": (GOOD + "x,2,1\n", CHOICE | {"features": "a"}, "column 'a' holds texts"),
    "a leak": (GOOD, CHOICE | {"features": "a,y"}, "answer would be in the question"),
    "changes": (GOOD, {"target": "a", "group": "y"}, "changes within the group 0"),
    "long windows": (GOOD, CHOICE | {"window": 20}, "too few for windows of 20"),
    "no window": (GOOD, {"target": "y", "stride": 2}, "without a window"),
    "another split": (GOOD, CHOICE | {"split": "rows"}, "Unknown split"),
    "one group": (GOOD, CHOICE | {"split": "group"}, "cannot split 1 groups"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_tables_are_reported(tmp_path, case):
    pytest.importorskip("pandas")
    text, choice, message = BAD[case]
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        data.load(file=path, **choice)
    assert is_one_sentence(str(caught.value)) or case == "another split"


def test_files_of_columns_hold_the_same(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"0": np.arange(12.0) / 7, "1": np.arange(12.0) % 2})
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_csv(tmp_path / "a.tsv", sep="\t")
    np.save(tmp_path / "a.npy", frame.to_numpy())
    sources = [{"frame": frame}, *({"file": p} for p in tmp_path.iterdir())]
    with contextlib.suppress(ImportError):
        frame.to_parquet(tmp_path / "a.parquet")
        sources.append({"file": tmp_path / "a.parquet"})
    for source in sources:
        found = data.load(**source, target="1", window=3, split="fraction")
        assert found.names == ("0",)
        assert (len(found.train), len(found.test), found.classes) == (8, 2, 2)


MANY = 4 * 10**7
#: columns that are small in a Parquet file and large in memory
BOMBS = {
    "equal numbers": (lambda pa: pa.array(np.zeros(MANY, "int8")), {}, "says that it"),
    "a long list": (lambda pa: pa.array([np.zeros(MANY, "int8")]), {}, "says that it"),
    "packed texts": (
        lambda pa: pa.array(["z" * 10**7] * 30),
        {"use_dictionary": False, "compression": "zstd"},
        "says that it",
    ),
    "a text of many rows": (
        lambda pa: pa.array(["x" * 10**6]).take(pa.array([0] * 99)),
        {},
        "one of them of 1000000 letters",
    ),
    "lists": (lambda pa: pa.array([[1], [2]]), {}, "ndarray in its rows"),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_what_a_parquet_file_is_in_memory_is_asked_before(tmp_path, bomb):
    pytest.importorskip("pandas")
    pa, parquet = map(pytest.importorskip, ("pyarrow", "pyarrow.parquet"))
    make, options, message = BOMBS[bomb]
    column = make(pa)
    path = tmp_path / "bomb.parquet"
    parquet.write_table(pa.table({"y": column}), path, **options)
    with pytest.raises(InputError, match=message):
        data.load(file=path, target="y")


def test_no_damage_escapes_as_another_error(tmp_path):
    pytest.importorskip("pandas")
    random = np.random.default_rng(0)
    for ending in ("csv", "parquet", "npy"):
        path = tmp_path / f"bad.{ending}"
        for _ in range(40):
            whole = bytearray(GOOD.encode())
            for place in random.integers(len(whole), size=4):
                whole[place] = random.integers(256)
            path.write_bytes(whole)
            with contextlib.suppress(InputError):
                data.load(file=path, **CHOICE)
