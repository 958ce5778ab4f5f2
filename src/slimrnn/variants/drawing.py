"""A variant's data flow as a drawing: SVG, from its terms.

Each gate is a column: its terms, stacked, are added into the line beside them. What the
variant leaves out is dashed. The drawing takes the colour of the text around it; alone,
in a file, it is dark on light or light on dark as its reader prefers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from slimrnn.utils.markup import Markup, tag
from slimrnn.variants.equations import NOTATION
from slimrnn.variants.gates import CANDIDATE, FAMILIES, Gate
from slimrnn.variants.variant import Variant

_SIGN, _SVG = NOTATION["unicode"], "http://www.w3.org/2000/svg"
LEFT, COLUMN, GAP = 92, 104, 34  # x: of the first gate, between two, before the last
STATE, MIX, GATE = 30, 74, 122  # y: of the state, of what is mixed into it, of gates
ROWS = {"bias": 148, "h": 178, "x": 208}  # y: the upper edge of the terms
HEIGHT, HIGH, WIDE, NARROW, RADIUS = 240, 22, 62, 30, 12
KINDS = {"full": "matrix", "pointwise": "vector", "none": "none"}
TAP = (ROWS["bias"] + HIGH + ROWS["h"]) / 2  # y: below the bias, above the products
STYLE = (
    "svg:root{color:#1d2733}"
    "@media(prefers-color-scheme:dark){svg:root{color:#e6edf3}}"
    ".flow{max-width:100%;height:auto;fill:none;stroke:currentColor;stroke-width:1.3}"
    ".flow text{font:12px system-ui,sans-serif;fill:currentColor;stroke:none;"
    "text-anchor:middle;dominant-baseline:central}"
    ".flow .matrix{fill:#3d85c6;fill-opacity:.4}.flow .vector{fill:#e69138;"
    "fill-opacity:.45}.flow .none{stroke-dasharray:2 3;opacity:.45}"
    ".flow .dot{fill:currentColor}"
)


def svg(variant: Variant) -> Markup:
    """The drawing of a variant.

    Example:
        >>> from slimrnn import get
        >>> drawn = svg(get("LSTM6"))
        >>> drawn.count('class="matrix"'), drawn.count(">0.4<")  # W x and U h; f
        (2, 1)
    """
    flow = _RULES[FAMILIES[variant.family].rule](variant)
    title = f"Data flow of {variant.name}: {'; '.join(variant.equations())}"
    return tag(
        "svg",
        *(tag("title", title), tag("style", Markup(STYLE)), flow.parts()),
        **{"viewBox": f"0 0 {flow.width} {HEIGHT}", "role": "img", "class_": "flow"},
        **{"xmlns": _SVG, "width": flow.width, "height": HEIGHT},
    )


def _text(x: float, y: float, text: str) -> Markup:
    return tag("text", text, x=x, y=y)


def _node(x: float, y: float, text: str, radius: float = RADIUS) -> list[Markup]:
    """A circle in which something is computed, or a number."""
    if len(text) < 3:
        return [tag("circle", cx=x, cy=y, r=radius), _text(x, y, text)]
    width = 8 * len(text) + 4
    size = {"width": width, "height": 2 * RADIUS - 2, "rx": RADIUS - 1}
    return [tag("rect", x=x - width / 2, y=y - RADIUS + 1, **size), _text(x, y, text)]


def _line(*points: tuple[float, float], arrow: bool = False) -> Markup:
    path = "M" + "L".join(f"{x:g} {y:g}" for x, y in points)
    if arrow:  # all of them point to the right
        x, y = points[-1]
        path += f"m-6-4l6 4l-6 4M{x:g} {y:g}"
    return tag("path", d=path)


def _dot(x: float, y: float) -> Markup:
    return tag("circle", cx=x, cy=y, r=2.2, class_="dot")


def _term(x: float, row: str, text: str, kind: str, wide: bool) -> list[Markup]:
    """A matrix or a vector beside the line at x, or where one is left out."""
    width, y = (WIDE if wide else NARROW), ROWS[row]
    box: dict[str, Any] = {"width": width, "height": HIGH, "rx": 3, "class_": kind}
    return [
        tag("rect", x=x - 10 - width, y=y, **box),
        tag(
            "text",
            text,
            x=x - 10 - width / 2,
            y=y + HIGH / 2,
            opacity=0.45 if kind == "none" else None,
        ),
        *([_line((x - 10, y + HIGH / 2), (x, y + HIGH / 2))] if kind != "none" else []),
    ]


class _Flow:
    """What the drawings of both rules share: the gates.

    Args:
        variant: the variant.
        order: its gates, from left to right.
        apart: whether the last one stands further off.
    """

    def __init__(self, variant: Variant, order: tuple[str, ...], apart: bool):
        self.variant, self.family = variant, FAMILIES[variant.family]
        self.x = {name: LEFT + k * COLUMN for k, name in enumerate(order)}
        self.x[order[-1]] += GAP * apart
        self.end = self.x[order[-1]] + 44
        self.width = self.end + 28

    def parts(self) -> Iterator[Any]:
        """All elements."""
        for name, gate in self.variant.items():
            yield from self.gate(name, gate)

    def constant(self, name: str) -> float | None:
        """The value of a gate that is constant, also by its tie to such a one."""
        return self.variant.folded()[name].constant

    def function(self, name: str) -> str:
        """What stands in a gate's circle; empty for a function that changes nothing."""
        gate = self.variant[name]
        if gate.constant is not None:
            return f"{gate.constant:g}"
        if gate.complement:
            return "1−"
        if name == self.family.product:
            return "×"
        own = self.variant.candidate_activation if name == CANDIDATE else None
        named = own or ("g" if name == CANDIDATE else "σ")
        return "" if named == "linear" else named

    def gate(self, name: str, gate: Gate) -> Iterator[Any]:
        """A column: terms, their sum, the function, the name."""
        x, sums = self.x[name], []
        for row, term, text, wide in (
            ("x", gate.x, "W x", True),
            (
                "h",
                gate.h,
                "u⊙h" if gate.h == "pointwise" else "U h",
                gate.h != "pointwise",
            ),
            ("bias", "pointwise" if gate.bias else "none", "b", False),
        ):
            if name == self.family.product and row == "x":
                continue  # no variant has it
            yield from _term(x, row, text, KINDS[term], wide)
            if term != "none":
                sums.append(ROWS[row] + HIGH / 2)
        function = self.function(name)
        if gate.shared:
            yield _line((self.x[CANDIDATE], TAP), (x, TAP))
            yield from (_dot(self.x[CANDIDATE], TAP), _dot(x, TAP))
            sums.append(TAP)
        if sums:
            top = GATE + (RADIUS if function else -RADIUS)
            yield _line((x, max(sums)), (x, top))
        if function:
            yield from _node(x, GATE, function)
        sign = _SIGN["candidate" if name == CANDIDATE else "gate"].format(name)
        yield _text(x - 22, GATE - 10 if len(function) < 3 else GATE - 22, sign)
        if gate.complement:
            other = self.x[gate.complement]
            side = RADIUS if other < x else -RADIUS
            yield _line((other + side, GATE), (x - side, GATE))
            notes = [f"shift {gate.shift:g}"] * bool(gate.shift)
            notes += ["× σ(ζ) + σ(ν)"] * gate.scaled
            yield _text(x - 46, GATE + 18, ", ".join(notes))


class _Accumulate(_Flow):
    """f weighs c, i the candidate that is added to it, o what is given."""

    def __init__(self, variant: Variant):
        super().__init__(variant, ("f", "i", CANDIDATE, "o"), apart=True)

    def parts(self) -> Iterator[Any]:
        """The gates; then c from left to right, and h."""
        yield from super().parts()
        yield from self.cell_state()
        yield from self.output()

    def cell_state(self) -> Iterator[Any]:
        """c: times f, plus the candidate times i."""
        f, i, c = self.x["f"], self.x["i"], self.x[CANDIDATE]
        always = self.constant("i") == 1
        joined = c if always else (i + c) / 2
        stops = [joined] if self.constant("f") == 1 else [f, joined]
        yield _text(22, STATE - 16, "cₜ₋₁")
        yield from _through(8, stops, self.end, STATE)
        if len(stops) == 2:
            yield _line((f, GATE - RADIUS), (f, STATE + RADIUS))
            yield from _node(f, STATE, "×")
        yield from _node(joined, STATE, "+")
        yield _text(self.end + 14, STATE, "cₜ")
        if always:
            yield _line((c, GATE - RADIUS), (c, STATE + RADIUS))
            return
        for x, side in ((i, -RADIUS), (c, RADIUS)):
            yield _line((x, GATE - RADIUS), (x, MIX), (joined + side, MIX))
        yield from _node(joined, MIX, "×")
        yield _line((joined, MIX - RADIUS), (joined, STATE + RADIUS))

    def output(self) -> Iterator[Any]:
        """h: g(c) times o."""
        x, o = self.x[CANDIDATE] + (COLUMN + GAP) / 2 - 14, self.x["o"]
        function = self.variant.state_activation or "g"
        start = x if function == "linear" else x + RADIUS
        yield _dot(x, STATE)
        if function == "linear":
            yield _line((x, STATE), (x, MIX))
        else:
            yield _line((x, STATE), (x, MIX - RADIUS))
            yield from _node(x, MIX, function)
        gated = self.constant("o") != 1
        yield from _through(start, [o] if gated else [], self.end, MIX)
        if gated:
            yield from _node(o, MIX, "×")
            yield _line((o, GATE - RADIUS), (o, MIX + RADIUS))
        yield _text(self.end + 14, MIX, "hₜ")


class _Mix(_Flow):
    """One gate weighs the old h and the candidate."""

    def __init__(self, variant: Variant):
        family = FAMILIES[variant.family]
        gates = [k for k in family.gates if k not in (CANDIDATE, family.product)]
        last = (family.product, CANDIDATE) if family.product else (CANDIDATE,)
        super().__init__(variant, (*gates, *last), apart=False)

    def parts(self) -> Iterator[Any]:
        """The gates; then h from left to right, and what is reset of it."""
        yield from super().parts()
        yield from self.state()
        if self.family.product or self.constant(self.family.reset) != 1:
            yield from self.reset()

    def state(self) -> Iterator[Any]:
        """h: the old one times a weight, plus the candidate times the other."""
        update, c = self.x[self.family.update], self.x[CANDIDATE]
        constant = self.constant(self.family.update)
        old = constant if self.family.keeps or constant is None else 1 - constant
        yield _text(22, STATE - 16, "hₜ₋₁")
        yield _text(self.end + 14, STATE, "hₜ")
        if old == 0:  # nothing of the old h but what the candidate reads
            yield _line((c, GATE - RADIUS), (c, STATE), (self.end, STATE), arrow=True)
            yield tag("g", _line((8, STATE), (c, STATE)), class_="none")
            return
        yield from _through(8, [update, c], self.end, STATE)
        yield from (*_node(update, STATE, "×"), *_node(c, STATE, "+"))
        # Straight up to the old h, to the right to the candidate; one way is turned.
        top, right = (update, STATE + RADIUS), (c - RADIUS, MIX)
        if self.family.keeps:
            yield _line((update, GATE - RADIUS), top)
            x, y, r = update + 40, float(MIX), RADIUS
            yield _line((update, MIX), (x - r, MIX))
            yield _line((x + r, MIX), right)
        else:
            x, y, r = update, (MIX + STATE) / 2 + 4, 9
            yield _line((update, GATE - RADIUS), (update, y + r))
            yield _line((update, y - r), top)
            yield _line((update, MIX), right)
        yield from _node(x, y, "1−", r)
        yield _dot(update, MIX)
        yield from _node(c, MIX, "×")
        yield _line((c, GATE - RADIUS), (c, MIX + RADIUS))
        yield _line((c, MIX - RADIUS), (c, STATE + RADIUS))

    def reset(self) -> Iterator[Any]:
        """The reset gate, into the h that the candidate reads, or into its product."""
        r, c = self.x[self.family.reset], self.x[CANDIDATE]
        start = (r + RADIUS, GATE)
        if self.family.product:
            n = self.x[self.family.product]
            yield _line(start, (n - RADIUS, GATE))
            yield _line((n + RADIUS, GATE), (n + 18, GATE), (n + 18, TAP), (c, TAP))
            yield _dot(c, TAP)
        elif self.variant[CANDIDATE].h != "none":
            y, wide = ROWS["h"] + HIGH / 2, self.variant[CANDIDATE].h == "full"
            edge = c - 10 - (WIDE if wide else NARROW)
            yield _line(start, (r + 18, GATE), (r + 18, y), (edge, y), arrow=True)


def _through(start: float, stops: list[float], end: float, y: float) -> Iterator[Any]:
    """A line to the right, interrupted by nodes."""
    for x in stops:
        yield _line((start, y), (x - RADIUS, y))
        start = x + RADIUS
    yield _line((start, y), (end, y), arrow=True)


_RULES = {"accumulate": _Accumulate, "mix": _Mix}
