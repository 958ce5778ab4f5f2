"""Each argument wrong in one way, at every entry: a sentence, or the right answer."""

import keras
import numpy as np
import pytest

from entries import ENTRIES, PROBLEMS, weights_of
from layer_problems import BATCH, STATES, TIME, UNITS, X
from problems import ROWS, masks
from products import some
from slimrnn import InputError, reference
from slimrnn.variants import FAMILIES

MASK = masks(TIME)


def given_to(row):
    """The arguments as they should be."""
    states = STATES[: len(FAMILIES[ROWS[row].family].states)]
    return {"x": X, "states": states, "mask": MASK}


def x(change):
    return lambda given: {**given, "x": change(given["x"])}


def mask(change):
    return lambda given: {**given, "mask": change(given["mask"])}


def states(change):
    return lambda given: {**given, "states": change(given["states"])}


def state(change):
    return states(lambda all_: [change(h) for h in all_])


def all_of(change):
    return lambda given: x(change)(mask(change)(given))


#: never computed
REFUSED = {
    "fewer features": x(lambda x: x[..., 1:]),
    "more features": x(lambda x: np.concatenate([x, x], -1)),
    "no feature": x(lambda x: x[..., :0]),
    "one sequence": x(lambda x: x[0]),
    "several batches": x(lambda x: x[None]),
    "more units": state(lambda h: np.repeat(h, 2, -1)),
    "fewer units": state(lambda h: h[:, 1:]),
    "larger batch": state(lambda h: np.repeat(h, 2, 0)),
    "smaller batch": state(lambda h: h[1:]),
    "no batch": state(lambda h: h[:0]),
    "turned": state(np.transpose),
    "of one sequence": state(lambda h: h[0]),
    "of each step": state(lambda h: np.stack([h, h])),
    "the last one smaller": states(lambda s: [*s[:-1], s[-1][1:, 1:]]),
    "too many": states(lambda s: [*s, *s]),
    "too few": states(lambda s: s[:-1]),
    "fewer steps": mask(lambda m: m[:, 1:]),
    "more steps": mask(lambda m: np.repeat(m, 2, 1)),
    "fewer rows": mask(lambda m: m[1:]),
    "more rows": mask(lambda m: np.repeat(m, 2, 0)),
    "a mask turned": mask(np.transpose),
    "a mask of one sequence": mask(lambda m: m[0]),
}


def same(given):
    return given


def repeated(array):
    return array[:1].repeat(BATCH, 0)


WHOLE = "whole numbers"  # which the native engine, asked for by name, refuses
#: what may be given instead, and what it means; layers take it
MEANT = {
    "as it should be": (same, same),
    "not contiguous": (x(lambda x: np.repeat(x, 2, -1)[..., ::2]), same),
    "float64": (x(lambda x: x.astype("float64")), same),
    WHOLE: (x(lambda x: (3 * x).astype("int32")), x(lambda x: np.trunc(3 * x))),
    "states not contiguous": (state(lambda h: np.repeat(h, 2, -1)[..., ::2]), same),
    "columns in turn": (state(np.asfortranarray), same),
    "states of float64": (state(lambda h: h.astype("float64")), same),
    "a row for all": (state(lambda h: h[:1]), state(repeated)),
    "a mask not contiguous": (mask(lambda m: np.repeat(m, 2, 1)[:, ::2]), same),
    "a mask of numbers": (mask(lambda m: m.astype("float32")), same),
    "a mask for all": (mask(lambda m: m[:1]), mask(repeated)),
    "a mask of words": (mask(lambda m: np.stack([m, m & False], -1)), same),
    "a mask of halves": (mask(lambda m: np.where(m, np.float32(0.5), 0)), same),
    "a mask of NaN": (mask(lambda m: np.where(m, np.float32("nan"), 0)), same),
}
#: what a sentence or an empty result answers
EMPTY = {
    "no sequence": lambda given: state(lambda h: h[:0])(all_of(lambda a: a[:0])(given)),
    "no step": all_of(lambda a: a[:, :0]),
}


def call(entry, row, change):
    """What an entry gives or raises; None where it has no such argument."""
    given = given_to(row)
    changed = change(given)
    if not ENTRIES[entry].has_mask:
        if changed["mask"] is not given["mask"] and changed["x"] is given["x"]:
            return None
        changed["mask"] = None
    if ENTRIES[entry].fills_up and len(changed["states"]) < len(given["states"]):
        return None
    return ENTRIES[entry].call(row, **changed)


def expected(entry, row, means):
    meant = means(given_to(row))
    names = FAMILIES[ROWS[row].family].states
    return reference.run(
        ROWS[row],
        meant["x"],
        weights_of(row),
        dict(zip(names, meant["states"], strict=True)),
        mask=meant["mask"] if ENTRIES[entry].has_mask else None,
    ).outputs


def entries(by_default):
    """Each entry with each row; some of the entries by default, with the first row."""
    pairs = some(lambda e, row: row == PROBLEMS[0] and by_default(e), ENTRIES, PROBLEMS)
    return pytest.mark.parametrize(("entry", "row"), pairs)


def is_quick(entry):
    return ENTRIES[entry].is_quick


@entries(lambda entry: not entry.endswith("compile"))
def test_what_does_not_fit_is_refused(entry, row):
    wrong = []
    for name, change in REFUSED.items():
        try:
            if call(entry, row, change) is not None:
                wrong.append(f"{name}: computed")
        except ValueError as error:
            if "received" not in str(error).lower() and "found" not in str(error):
                wrong.append(f"{name}: {error}")
        except Exception as error:
            wrong.append(f"{name}: {type(error).__name__} {error}")
    assert not wrong, "\n".join(wrong)


@entries(is_quick)
def test_what_is_meant_is_computed(entry, row):
    wrong = []
    for name, (change, means) in MEANT.items():
        try:
            found = call(entry, row, change)
        except (ValueError, TypeError) as error:
            if name == "as it should be" or (ENTRIES[entry].is_layer and name != WHOLE):
                wrong.append(f"{name}: {type(error).__name__} {error}")
            continue
        except Exception as error:
            wrong.append(f"{name}: {type(error).__name__} {error}")
            continue
        if found is not None:
            off = abs(keras.ops.convert_to_numpy(found) - expected(entry, row, means))
            if not off.max() <= 1e-5:
                wrong.append(f"{name}: off by {off.max():.1e}")
    assert not wrong, "\n".join(wrong)


@entries(is_quick)
def test_nothing_gives_nothing(entry, row):
    wrong = []
    for name, change in EMPTY.items():
        try:
            found = call(entry, row, change)
        except InputError:
            continue
        except Exception as error:
            wrong.append(f"{name}: {type(error).__name__} {error}")
            continue
        wanted = (*change(given_to(row))["x"].shape[:2], UNITS)
        if tuple(found.shape) != wanted:
            wrong.append(f"{name}: {tuple(found.shape)}")
    assert not wrong, "\n".join(wrong)
