"""Draw the house: ``python docs/house.py`` writes docs/architecture.svg.

The rooms are the folders of src/slimrnn and the modules beside them, with the first
sentence of their docstrings; the arrows are the imports that Python's parser finds. An
arrow that follows from two others is left out, and so are those to the ground floor,
on which everybody stands.
"""

import ast
import textwrap
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path as MplPath

DOCS = Path(__file__).parent
HOUSE = DOCS.parent / "src" / "slimrnn"
GROUND = ("errors", "utils")
LEFT_OUT = ("__init__", "__main__")  # the public face: it only names what is inside
WIDTH, HEIGHT, ROW = 3.3, 1.3, 1.95
FILL, EDGE, INK, FAINT = "#f3f6fa", "#5b7083", "#1d2733", "#5c6b78"


def room(path: Path) -> str:
    return path.relative_to(HOUSE).parts[0].removesuffix(".py")


def modules() -> dict[str, list[Path]]:
    """The modules of each room."""
    found = defaultdict(list)
    for path in sorted(HOUSE.rglob("*.py")):
        if room(path) not in LEFT_OUT:
            found[room(path)].append(path)
    return dict(found)


def imported(path: Path) -> set[str]:
    """The names after ``slimrnn.`` in all imports of a module, nested ones too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "slimrnn":
            found |= {f"slimrnn.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return {name.split(".")[1] for name in found if name.startswith("slimrnn.")}


def arrows(rooms: dict[str, list[Path]]) -> dict[str, set[str]]:
    """Who imports whom."""
    return {
        name: set.union(*map(imported, paths)) & (rooms.keys() - {name})
        for name, paths in rooms.items()
    }


def reachable(name: str, graph: dict[str, set[str]]) -> set[str]:
    return set().union(*({x} | reachable(x, graph) for x in graph[name]))


def floors(graph: dict[str, set[str]]) -> dict[str, int]:
    """Each room one floor above the highest that it imports."""
    found: dict[str, int] = {}

    def floor(name: str) -> int:
        if name not in found:
            found[name] = 1 + max(map(floor, graph[name]), default=-1)
        return found[name]

    for name in graph:
        floor(name)
    return found


def chains(graph: dict[str, set[str]]) -> tuple[list, dict[str, list[str]]]:
    """Each arrow as the names that it passes, one a floor; and the names by floor.

    Where an arrow passes a floor it gets a place of its own, ``"cli>ir 3"``.
    """
    height, found = floors(graph), []
    floor = {k: [name for name in graph if height[name] == k] for k in height.values()}
    for name in graph:
        above = [reachable(other, graph) for other in graph[name]]
        for other in sorted(graph[name].difference(*above)):
            passed = range(height[name] - 1, height[other], -1)
            between = [f"{name}>{other} {k}" for k in passed]
            for k, place in zip(passed, between, strict=True):
                floor[k].append(place)
            found.append([name, *between, other])
    return found, floor


def places(found: list, floor: dict[int, list[str]]) -> dict[str, tuple[float, float]]:
    """Centres: on each floor in the order of what they are joined with."""
    at = {
        name: (k * WIDTH, 0.0) for row in floor.values() for k, name in enumerate(row)
    }
    joined = defaultdict(list)
    for chain in found:
        for upper, lower in pairwise(chain):
            joined[upper].append(lower)
            joined[lower].append(upper)
    for _ in range(40):
        for level in sorted(floor):
            row = floor[level]
            near = {
                name: sum(at[x][0] for x in joined[name]) / max(len(joined[name]), 1)
                for name in row
            }
            row.sort(key=lambda name: near[name])
            widths = [0.4 if ">" in name else WIDTH + 0.4 for name in row]
            x = (sum(near.values()) / len(near) - sum(widths)) / 2
            for name, width in zip(row, widths, strict=True):
                at[name] = x + width / 2, level * ROW
                x += width
    return at


def sentence(name: str) -> str:
    folder = HOUSE / name
    source = folder / "__init__.py" if folder.is_dir() else HOUSE / f"{name}.py"
    text = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""
    return text.partition("\n\n")[0].replace("`", "").replace("\n", " ")


def draw_room(axes, name, paths, x, y, width=WIDTH):
    corner = (x - width / 2, y - HEIGHT / 2)
    style = "round,pad=0,rounding_size=0.12"
    axes.add_patch(
        FancyBboxPatch(corner, width, HEIGHT, style, fc=FILL, ec=EDGE, lw=1.1, zorder=3)
    )
    lines = sum(len(p.read_text(encoding="utf-8").splitlines()) for p in paths)
    left, top = corner[0] + 0.14, y + HEIGHT / 2 - 0.13
    axes.text(left, top, name, weight="bold", size=11, va="top", color=INK, zorder=4)
    right = corner[0] + width - 0.14
    count = f"{lines:,} lines"
    axes.text(right, top, count, size=7, va="top", ha="right", color=FAINT, zorder=4)
    text = textwrap.wrap(sentence(name), int(9.8 * width))
    if len(text) > 4:
        text = [*text[:3], text[3] + " …"]
    axes.text(
        left,
        top - 0.34,
        "\n".join(text),
        size=7.6,
        va="top",
        color=INK,
        zorder=4,
        linespacing=1.25,
    )


def draw_arrow(axes, chain, at, starts, ends):
    """A smooth line through the places that an arrow passes."""
    x, y = at[chain[0]]
    points = [(x + starts, y - HEIGHT / 2)]
    codes = [MplPath.MOVETO]
    goals = [at[name] for name in chain[1:]]
    goals[-1] = goals[-1][0] + ends, goals[-1][1] + HEIGHT / 2
    for k, (x, y) in enumerate(goals):
        (x0, y0), last = points[-1], k == len(goals) - 1
        top = y if last else y + HEIGHT / 2
        points += [(x0, (y0 + top) / 2), (x, (y0 + top) / 2), (x, top)]
        codes += 3 * [MplPath.CURVE4]
        if not last:
            points.append((x, y - HEIGHT / 2))
            codes.append(MplPath.LINETO)
    style = "-|>,head_width=2.6,head_length=5"
    line = MplPath(points, codes)
    axes.add_patch(
        FancyArrowPatch(path=line, arrowstyle=style, fc=EDGE, ec=EDGE, lw=1, zorder=2)
    )


def ports(found, at, end) -> dict[int, float]:
    """How far from a room's centre each arrow starts (end 0) or ends (end -1)."""
    shift, neighbour = {}, 1 if end == 0 else -2
    rooms = defaultdict(list)
    for k, chain in enumerate(found):
        rooms[chain[end]].append(k)
    for chosen in rooms.values():
        chosen.sort(key=lambda k: at[found[k][neighbour]][0])
        for place, k in enumerate(chosen):
            shift[k] = (place - (len(chosen) - 1) / 2) * 0.4
    return shift


def main():
    rooms = modules()
    graph = {
        name: found - set(GROUND)
        for name, found in arrows(rooms).items()
        if name not in GROUND
    }
    found, floor = chains(graph)
    at = places(found, floor)
    plt.rcParams["svg.hashsalt"] = "house"
    left = min(x for x, _ in at.values()) - WIDTH / 2 - 0.3
    right = max(x for x, _ in at.values()) + WIDTH / 2 + 0.3
    bottom, top = -ROW - HEIGHT / 2 - 0.2, max(y for _, y in at.values()) + 0.9
    figure, axes = plt.subplots(figsize=((right - left) * 0.78, (top - bottom) * 0.78))
    axes.set(xlim=(left, right), ylim=(bottom, top), aspect="equal")
    axes.axis("off")
    starts, ends = ports(found, at, 0), ports(found, at, -1)
    for k, chain in enumerate(found):
        draw_arrow(axes, chain, at, starts[k], ends[k])
    for name in graph:
        draw_room(axes, name, rooms[name], *at[name])
    share = (right - left - 0.6 - 0.4) / len(GROUND)
    for k, name in enumerate(GROUND):
        x = left + 0.3 + share / 2 + k * (share + 0.4)
        draw_room(axes, name, rooms[name], x, -ROW, share)
    figure.savefig(
        DOCS / "architecture.svg", bbox_inches="tight", metadata={"Date": None}
    )


if __name__ == "__main__":
    main()
