"""The table of variants: its rows, what is derived from them, and what is refused."""

import copy
import dataclasses
import json
import subprocess
import sys

import pytest
from matplotlib.mathtext import MathTextParser

import slimrnn
from problems import OWN, ROWS
from slimrnn import Gate, InputError, Variant, get, variants

pytestmark = pytest.mark.backend_free

# The parameter counts of the papers, written out by hand.
COUNTS = {
    "LSTM": lambda m, n: 4 * (m * n + n**2 + n),
    "LSTM1": lambda m, n: m * n + 4 * n**2 + 4 * n,
    "LSTM2": lambda m, n: m * n + 4 * n**2 + n,
    "LSTM3": lambda m, n: m * n + n**2 + 4 * n,
    "LSTM4": lambda m, n: m * n + n**2 + 4 * n,
    "LSTM5": lambda m, n: m * n + n**2 + 7 * n,
    "LSTM4a": lambda m, n: m * n + n**2 + 2 * n,
    "LSTM5a": lambda m, n: m * n + n**2 + 3 * n,
    "LSTM6": lambda m, n: m * n + n**2 + n,
    "LSTM10": lambda m, n: m * n + 5 * n,
    "LSTM11": lambda m, n: m * n + 8 * n,
    "LSTM_C6": lambda m, n: m * n + 2 * n,
    "NIG": lambda m, n: 3 * (m * n + n**2 + n),
    "NFG": lambda m, n: 3 * (m * n + n**2 + n),
    "NOG": lambda m, n: 3 * (m * n + n**2 + n),
    "CIFG": lambda m, n: 3 * (m * n + n**2 + n),
    "JANET": lambda m, n: 2 * (m * n + n**2 + n),
    "Leaky": lambda m, n: m * n + n**2 + 2 * n,
    "FastGRNN": lambda m, n: m * n + n**2 + 2 * n + 2,
    "FastGRNN_tied": lambda m, n: m * n + n**2 + 2 * n,
    "RAN": lambda m, n: 3 * m * n + 2 * (n**2 + n),
    "GRU": lambda m, n: 3 * (m * n + n**2 + n),
    "GRU1": lambda m, n: m * n + 3 * n**2 + 3 * n,
    "GRU2": lambda m, n: m * n + 3 * n**2 + n,
    "GRU3": lambda m, n: m * n + n**2 + 3 * n,
    "UGRNN": lambda m, n: 2 * (m * n + n**2 + n),
    "MGU": lambda m, n: 2 * (m * n + n**2 + n),
    "MGU1": lambda m, n: m * n + 2 * n**2 + 2 * n,
    "MGU2": lambda m, n: m * n + 2 * n**2 + n,
    "MGU3": lambda m, n: m * n + n**2 + 2 * n,
    "minGRU": lambda m, n: 2 * (m * n + n),
    "IndRNN": lambda m, n: m * n + 2 * n,
}
CELL = {"c": Gate(x="full")}
ONE = Gate(constant=1.0)


def lstm(candidate_activation=None, **gates):
    """A variant of these gates, all others being 1."""
    gates = {**dict.fromkeys("ifo", ONE), **CELL, **gates}
    return Variant("A", "lstm", gates, candidate_activation=candidate_activation)


def test_the_table_has_these_rows_in_this_order():
    assert [row.name for row in slimrnn.variants()] == list(COUNTS)
    assert slimrnn.variants() is variants.variants()
    assert all(row.source for row in slimrnn.variants())


@pytest.mark.parametrize(("m", "n"), [(1, 1), (32, 100), (28, 7), (3, 256)])
@pytest.mark.parametrize("name", COUNTS)
def test_parameter_counts_are_the_papers(name, m, n):
    assert get(name).parameters(m, n) == COUNTS[name](m, n)


@pytest.mark.parametrize("name", COUNTS)
def test_the_formula_says_the_count(name):
    terms = get(name).formula().replace("mn", "·77").replace("n²", "·49")
    terms = terms.replace("n", "·7").replace("·", "*")
    total = eval("+".join(f"1{t}" if t[0] == "*" else t for t in terms.split(" + ")))
    assert total == COUNTS[name](11, 7)


SHAPES = {  # kernel, recurrent kernel, recurrent vector, bias of m = 3 and n = 5
    "LSTM": ((3, 20), (5, 20), None, (20,)),
    "LSTM1": ((3, 5), (5, 20), None, (20,)),
    "LSTM2": ((3, 5), (5, 20), None, (5,)),
    "LSTM3": ((3, 5), (5, 5), None, (20,)),
    "LSTM4": ((3, 5), (5, 5), (15,), (5,)),
    "LSTM5a": ((3, 5), (5, 5), (5,), (10,)),
    "LSTM6": ((3, 5), (5, 5), None, (5,)),
    "LSTM11": ((3, 5), None, (20,), (20,)),
    "FastGRNN": ((3, 5), (5, 5), None, (10,), (2,)),
    "LSTM_C6": ((3, 5), None, (5,), (5,)),
    "GRU": ((3, 15), (5, 15), None, (15,)),
    "GRU3": ((3, 5), (5, 5), None, (15,)),
    "MGU": ((3, 10), (5, 10), None, (10,)),
    "MGU2": ((3, 5), (5, 10), None, (5,)),
    "OwnLSTM": ((3, 10), (5, 5), (5,), (5,)),
    "OwnMGU": ((3, 5), None, (5,), None),
}


@pytest.mark.parametrize("name", SHAPES)
def test_weight_shapes(name):
    weights = ("kernel", "recurrent_kernel", "recurrent_vector", "bias", "tie_scalars")
    expected = dict(zip(weights, SHAPES[name], strict=False))
    found = ROWS[name].shapes(features=3, units=5)
    assert found == {k: shape for k, shape in expected.items() if shape}
    assert list(found) == [k for k in weights if k in found]  # the order in files


LSTM_STATE = ["cₜ = fₜ ⊙ cₜ₋₁ + iₜ ⊙ c̃ₜ", "hₜ = oₜ ⊙ g(cₜ)"]
GRU_STATE = ["hₜ = zₜ ⊙ hₜ₋₁ + (1 - zₜ) ⊙ c̃ₜ"]
MGU_STATE = ["hₜ = (1 - fₜ) ⊙ hₜ₋₁ + fₜ ⊙ c̃ₜ"]
UNICODE = {
    "LSTM": [
        "iₜ = σ(W_i xₜ + U_i hₜ₋₁ + b_i)",
        "fₜ = σ(W_f xₜ + U_f hₜ₋₁ + b_f)",
        "c̃ₜ = g(W_c xₜ + U_c hₜ₋₁ + b_c)",
        "oₜ = σ(W_o xₜ + U_o hₜ₋₁ + b_o)",
        *LSTM_STATE,
    ],
    "LSTM3": [
        *("iₜ = σ(b_i)", "fₜ = σ(b_f)", "c̃ₜ = g(W_c xₜ + U_c hₜ₋₁ + b_c)"),
        *("oₜ = σ(b_o)", *LSTM_STATE),
    ],
    "LSTM5a": [
        *("iₜ = σ(u_i ⊙ hₜ₋₁ + b_i)", "fₜ = 0.96", "c̃ₜ = g(W_c xₜ + U_c hₜ₋₁ + b_c)"),
        *("oₜ = 1", *LSTM_STATE),
    ],
    "FastGRNN": [
        *("iₜ = σ(ζ) (1 - fₜ) + σ(ν)", "fₜ = σ(W_c xₜ + U_c hₜ₋₁ + b_f)"),
        *("c̃ₜ = g(W_c xₜ + U_c hₜ₋₁ + b_c)", "oₜ = 1", LSTM_STATE[0], "hₜ = oₜ ⊙ cₜ"),
    ],
    "LSTM_C6": [
        *("iₜ = 1", "fₜ = 0.4", "c̃ₜ = g(W_c xₜ + u_c ⊙ hₜ₋₁ + b_c)", "oₜ = 1"),
        *LSTM_STATE,
    ],
    "GRU2": [
        *("zₜ = σ(U_z hₜ₋₁)", "rₜ = σ(U_r hₜ₋₁)"),
        *("c̃ₜ = g(W_c xₜ + U_c (rₜ ⊙ hₜ₋₁) + b_c)", *GRU_STATE),
    ],
    "MGU1": [
        *("fₜ = σ(U_f hₜ₋₁ + b_f)", "c̃ₜ = g(W_c xₜ + U_c (fₜ ⊙ hₜ₋₁) + b_c)"),
        *MGU_STATE,
    ],
}


@pytest.mark.parametrize("name", UNICODE)
def test_equations(name):
    assert get(name).equations() == UNICODE[name]


@pytest.mark.parametrize("name", ROWS)
def test_matplotlib_can_set_the_latex(name):
    unicode, latex = (ROWS[name].equations(style) for style in ("unicode", "latex"))
    assert len(latex) == len(unicode)
    for line, other in zip(latex, unicode, strict=True):
        width, height, *_ = MathTextParser("path").parse(f"${line}$")
        assert width > 0
        assert height > 0
        for letter in "WUub":
            assert line.count(f"{letter}_") == other.count(f"{letter}_")


@pytest.mark.parametrize("name", COUNTS)
def test_names_in_any_case(name):
    rows = {row.name: row for row in slimrnn.variants()}
    for spelling in (name, name.lower(), name.upper(), name.swapcase()):
        assert get(spelling) is rows[name]
        assert slimrnn.variants.get(spelling) is rows[name]


def test_aliases():
    assert get("LSTM0") is get("lstm0") is get("LSTM")
    for alias, name in variants.ALIASES.items():
        assert get(alias).name == name


@pytest.mark.parametrize(
    ("unknown", "nearest"),
    [
        ("LTSM4", "LSTM4"),
        ("lstm-6", "LSTM6"),
        ("LSTM5b", "LSTM5"),
        ("LSTMC6", "LSTM_C6"),
        ("GRU-3", "GRU3"),
        ("MGU 2", "MGU2"),
        (6, None),
        ("", None),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(unknown, nearest):
    with pytest.raises(InputError) as error:
        get(unknown)
    message = str(error.value)
    assert message.startswith(f"Unknown variant {unknown!r}; the nearest is ")
    assert "\n" not in message
    assert all(name in message for name in COUNTS)
    assert nearest is None or f"nearest is {nearest}." in message


@pytest.mark.parametrize("name", ROWS)
def test_serialised_and_back(name):
    row = ROWS[name]
    plain = json.loads(json.dumps(row.get_config()))
    assert Variant.from_config(plain) == row
    assert get(plain) == row
    stored = json.loads(json.dumps(variants.serialize(row)))
    assert stored == (row.name if name in COUNTS else plain)
    assert get(stored) == row


def test_a_rows_name_does_not_hide_other_gates():
    impostor = dataclasses.replace(get("LSTM6"), gates=get("LSTM4a").gates)
    assert get(variants.serialize(impostor)) == impostor != get("LSTM6")


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"name": "A", "family": "lstm", "gates": {"i": 1}, "source": ""},
        {"name": "A", "family": "lstm", "gates": [], "source": ""},
        {"name": "A", "family": "mgu", "gates": {"f": {"y": 1}}, "source": ""},
        {**get("MGU").get_config(), "family": "rnn"},
    ],
)
def test_what_describes_no_variant_is_refused(config):
    with pytest.raises(InputError):
        get(config)


REFUSED = {
    "constant with terms": (
        lambda: Gate(h="full", bias=True, constant=0.5),
        r"received the constant 0\.5 together with terms recurrent_kernel, bias",
    ),
    "nothing": (lambda: Gate(), r"at least one term \(x, h or bias\), a constant or"),
    "tie with terms": (
        lambda: Gate(complement="f", bias=True),
        "received the complement of f together with terms bias",
    ),
    "tie and shared": (
        lambda: Gate(complement="f", shared=True),
        "received the complement of f together with shared True",
    ),
    "shift alone": (lambda: Gate(bias=True, shift=1.0), r"shift=1\.0 without one"),
    "scaled alone": (
        lambda: Gate(bias=True, scaled=True),
        "scaled is that of a complement; received scaled=True without one",
    ),
    "scaled by a number": (
        lambda: Gate(complement="f", scaled=0.5),
        r"scaled must be True or False, received 0\.5",
    ),
    "shift below 0": (
        lambda: Gate(complement="f", shift=-1),
        "shift must be a finite number from 0 on, received -1",
    ),
    "shared without bias": (lambda: Gate(shared=True), "needs a bias of its own"),
    "shared with x": (
        lambda: Gate(shared=True, x="full", bias=True),
        "received shared True together with terms kernel, bias",
    ),
    "tie to itself": (
        lambda: lstm(i=Gate(complement="i")),
        "Gate i of A is tied to 'i'; one gate can be the complement of the other",
    ),
    "tie to an unknown gate": (
        lambda: lstm(i=Gate(complement="z")),
        "Gate i of A is tied to 'z'.*, of i and f",
    ),
    "ties in a circle": (
        lambda: lstm(i=Gate(complement="f"), f=Gate(complement="i")),
        "Gate i of A is tied to 'f'.*without a circle",
    ),
    "tie of another gate": (
        lambda: lstm(o=Gate(complement="f")),
        "Gate o of A is tied to 'f'.*, of i and f",
    ),
    "tie in a mix": (
        lambda: Variant("A", "mgu", {"f": Gate(complement="c"), **CELL}),
        "Gate f of A is tied to 'c'.*none: the update gate mixes both",
    ),
    "shared in a mix": (
        lambda: Variant("A", "mgu", {"f": Gate(shared=True, bias=True), **CELL}),
        "Gate f of A shares the candidate's sums; allowed in the family lstm",
    ),
    "unknown activation": (
        lambda: lstm(candidate_activation="swish"),
        "candidate_activation of A must be one of tanh, .*; received 'swish'",
    ),
    "activation of no state": (
        lambda: Variant("A", "mgu", {"f": ONE, **CELL}, state_activation="linear"),
        "has no state c, and so no state_activation; received 'linear'",
    ),
    "NaN": (lambda: Gate(constant=float("nan")), "finite number, received nan"),
    "infinity": (lambda: Gate(constant=float("inf")), "finite number, received inf"),
    "text": (lambda: Gate(constant="1"), "finite number, received '1'"),
    "truth": (lambda: Gate(constant=True), "finite number, received True"),
    "pointwise x": (
        lambda: Gate(x="pointwise"),
        "A gate's x must be one of full, none; received 'pointwise'",
    ),
    "unknown h": (
        lambda: Gate(h="diagonal"),
        "A gate's h must be one of full, pointwise, none; received 'diagonal'",
    ),
    "bias a number": (lambda: Gate(bias=1), "bias must be True or False, received 1"),
    "unknown family": (
        lambda: Variant("A", "rnn", CELL),
        "family must be one of lstm, gru, mgu, gru_after, mgu_after; received 'rnn'",
    ),
    "unknown gate": (
        lambda: Variant("A", "mgu", {"f": ONE, "g": ONE, **CELL}),
        "A is of the family mgu and needs exactly the gates f, c; received f, g, c",
    ),
    "missing gate": (
        lambda: Variant("A", "gru", {"z": ONE, **CELL}),
        "needs exactly the gates z, r, c; received z, c",
    ),
    "too few gates": (
        lambda: Variant("A", "lstm", [ONE, ONE]),
        "needs the gates i, f, c, o; received 2 gates",
    ),
    "no gate": (
        lambda: Variant("A", "mgu", {"f": 1.0, **CELL}),
        r"Gate f of A must be a slimrnn\.Gate, received 1\.0",
    ),
    "cell input without x": (
        lambda: Variant("A", "mgu", {"f": ONE, "c": Gate(h="full", bias=True)}),
        r"The cell input c of A must have the product with the input \(x='full'\)",
    ),
    "constant cell input": (
        lambda: Variant("A", "mgu", {"f": ONE, "c": ONE}),
        "must have the product with the input",
    ),
    "unknown style": (
        lambda: get("LSTM").equations("html"),
        "Style must be one of unicode, latex; received 'html'",
    ),
    "no name": (lambda: Variant("", "mgu", {"f": ONE, **CELL}), "name must be a text"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_invalid_algebra_is_refused_in_a_sentence(case):
    build, sentence = REFUSED[case]
    with pytest.raises(InputError, match=sentence) as error:
        build()
    assert str(error.value).endswith(".")
    assert "\n" not in str(error.value)


def test_other_constants():
    row = get("LSTM4a").with_constants({"f": 0.59})
    assert row.constants == {"f": 0.59, "o": 1.0}
    assert get("LSTM4a").constants == {"f": 0.96, "o": 1.0}
    assert row["i"] == get("LSTM4a")["i"]
    assert get("LSTM").with_constants(None) is get("LSTM")


def test_copies_are_equal_and_rows_do_not_change():
    for row in (*slimrnn.variants(), *OWN):
        twin = copy.deepcopy(row)
        assert twin == row
        assert hash(twin) == hash(row)
        assert {row: 1}[twin] == 1
    assert len({*slimrnn.variants(), *OWN}) == len(COUNTS) + len(OWN)
    assert get("LSTM4") != get("LSTM5")
    with pytest.raises(dataclasses.FrozenInstanceError):
        get("LSTM").name = "other"
    with pytest.raises(dataclasses.FrozenInstanceError):
        get("LSTM")["i"].constant = 1.0


def test_the_table_needs_no_keras():
    code = "import sys, slimrnn.variants; print('keras' in sys.modules)"
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout == "False\n"
