"""bench.png: how time and memory of training grow with T, n, B and the layers."""

import math

from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator

from benchmarks import machine
from benchmarks.growth import MEMORY, TIME, lines
from benchmarks.peers import title
from benchmarks.works import GROWTH, G
from slimrnn.experiments.report.figure import GRID, INK, MUTED

#: peer and row -> colour
COLORS = {
    ("torch", "LSTM"): "#2f3337",
    ("keras-jax", "LSTM"): "#8a929b",
    ("native-jax", "LSTM"): "#cc79a7",
    ("native-jax", "LSTM6"): "#0072b2",
    ("native-jax", "LSTM10"): "#009e73",
}
ONE_THREAD = (0, (2, 2))
AXES = {"steps": "steps T", "units": "units n", "batch": "sequences B"}
#: what is drawn -> what its axis says, and how much of its unit is one
ROWS = {TIME: ("milliseconds", 1e3), MEMORY: ("MB taken at the peak", 1e-6)}
LEFT = 0.0475  # where the title begins, above the first panel
APART = 0.075  # of the height: the least distance of two labels


def write(results, path):
    """Draw the growth into a file; whether there was any."""
    if not lines(results, "steps"):
        return False
    below_title = ConstrainedLayoutEngine(rect=(0, 0, 1, 0.9))
    figure = Figure(figsize=(14, 7.6), layout=below_title)
    axes = figure.subplots(len(ROWS), len(GROWTH), sharex="col", sharey="row")
    for (what, (unit, scale)), row in zip(ROWS.items(), axes, strict=True):
        for ax, name in zip(row, GROWTH, strict=True):
            _panel(ax, name, lines(results, name, what), scale)
        row[0].set_ylabel(unit, color=MUTED)
        _labels(row[-1], lines(results, list(GROWTH)[-1], what), scale)
    for ax, name in zip(axes[-1], GROWTH, strict=True):
        ax.set_xlabel(AXES.get(name, name), color=MUTED)
    _title(figure, results)
    figure.savefig(path, dpi=160)
    return True


def _panel(ax, name, found, scale):
    values = GROWTH[name]
    for key, points in found.items():
        look = {"linewidth": 1.8, "markersize": 3.5, "marker": "o"}
        if key.threads == 1:
            look = {"linewidth": 1.2, "linestyle": ONE_THREAD}
        color = COLORS[key.peer, key.row]
        scaled = [scale * points[value] for value in sorted(points)]
        ax.plot(sorted(points), scaled, color=color, **look)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.xaxis.set_major_locator(FixedLocator(values))
    ax.xaxis.set_minor_locator(NullLocator())
    shown = values if len(values) < 7 else values[1::2]
    ax.set_xticks(shown, map("{:,}".format, shown))
    ax.grid(color=GRID, linewidth=0.8)
    ax.set_axisbelow(True)
    ax.yaxis.set_major_formatter("{x:,g}")
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(MUTED)
    ax.tick_params(which="both", colors=MUTED, labelsize=8.5)


def _labels(ax, found, scale):
    """Each line's name at its right end, moved apart where two would touch."""
    low, high = (math.log10(limit) for limit in ax.get_ylim())
    ends = {
        key: (math.log10(scale * points[max(points)]) - low) / (high - low)
        for key, points in found.items()
        if key.threads != 1
    }
    places = spread(list(ends.values()), APART)
    for (key, end), place in zip(ends.items(), places, strict=True):
        ax.annotate(
            title(key.peer, key.row),
            xy=(1.0, end),
            xytext=(1.06, place),
            xycoords="axes fraction",
            color=COLORS[key.peer, key.row],
            fontsize=10,
            fontweight="bold" if key.is_native else "normal",
            va="center",
            annotation_clip=False,
        )


def spread(places, apart):
    """Places on a line, moved as little as needed to be ``apart`` from each other.

    Example:
        >>> [round(place, 2) for place in spread([0.5, 0.1, 0.52], 0.1)]
        [0.46, 0.1, 0.56]
    """
    order = sorted(range(len(places)), key=places.__getitem__)
    clusters = []  # [sum of the places less their offsets, members]
    for index in order:
        clusters.append([places[index], [index]])
        while len(clusters) > 1 and _starts(clusters[-1], apart) < (
            _starts(clusters[-2], apart) + apart * len(clusters[-2][1])
        ):
            _, members = clusters.pop()
            clusters[-1][1] += members
            clusters[-1][0] = sum(places[k] for k in clusters[-1][1])
    found = list(places)
    for cluster in clusters:
        for k, index in enumerate(cluster[1]):
            found[index] = _starts(cluster, apart) + apart * k
    return found


def _starts(cluster, apart):
    """Where the first of a cluster's labels lies, so that they are centred."""
    total, members = cluster
    return total / len(members) - apart * (len(members) - 1) / 2


def _title(figure, results):
    sizes = "B={}, T={}, m={}, n={}".format(*G)
    heading = {"color": INK, "fontsize": 13, "fontweight": "bold"}
    head = "How time and memory of training grow: forward and backward, by size"
    figure.text(LEFT, 0.985, head, va="top", **heading)
    figure.text(
        LEFT,
        0.945,
        f"around {sizes}, last output alone, float32 · {machine.short(results.about)} "
        f"· each one's fastest turn; a line ends where a turn would take too long",
        va="top",
        color=MUTED,
        fontsize=9.5,
        parse_math=False,
    )
    looks = {"1 thread": ONE_THREAD, f"{results.about['cores']} threads": "-"}
    lines = [Line2D([], [], color=MUTED, linestyle=look) for look in looks.values()]
    figure.legend(
        lines,
        list(looks),
        loc="upper right",
        bbox_to_anchor=(0.995, 0.995),
        frameon=False,
        labelcolor=MUTED,
        ncols=2,
    )
