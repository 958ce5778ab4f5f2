"""bench.png: training time against the length, the units and the batch."""

import math

from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FixedLocator, NullLocator

from benchmarks.works import SWEEPS, S
from slimrnn.experiments.report.figure import GRID, INK, MUTED

#: peer's kind and row -> colour and dash; a row has one colour in both engines
LOOKS = {
    ("torch", "LSTM"): ("#2f3337", "-"),
    ("torch", "RNN"): ("#8a929b", "-"),
    ("native", "LSTM6"): ("#0072b2", "-"),
    ("native", "LSTM4"): ("#d55e00", "-"),
    ("native", "LSTM10"): ("#009e73", "-"),
    ("ops", "LSTM6"): ("#0072b2", (0, (2, 2))),
    ("ops", "LSTM4"): ("#d55e00", (0, (2, 2))),
    ("ops", "LSTM10"): ("#009e73", (0, (2, 2))),
}
AXES = {"steps": "steps T", "units": "units n", "batch": "sequences B"}
LEFT = 0.0475  # where the title begins, above the first panel
APART = 0.058  # of the height: the least distance of two labels


def lines(results):
    """(kind, row) -> shape -> the best milliseconds, of what the sweeps measured."""
    found: dict[tuple[str, str], dict] = {}
    for timing in results.timings:
        kind = timing.case.peer.partition("-")[0]
        if timing.work == "sweeps" and timing.seconds:
            mine = found.setdefault((kind, timing.case.row), {})
            mine.setdefault(timing.case.shape, 1e3 * timing.best)
    return {key: found[key] for key in LOOKS if key in found}


def write(results, path):
    """Draw the sweeps into a file; whether there were any."""
    found = lines(results)
    if not found:
        return False
    below_title = ConstrainedLayoutEngine(rect=(0, 0, 1, 0.88))
    figure = Figure(figsize=(12.6, 4.9), layout=below_title)
    axes = figure.subplots(1, len(SWEEPS), sharey=True)
    for ax, name in zip(axes, SWEEPS, strict=True):
        _panel(ax, name, found)
    axes[0].set_ylabel("milliseconds", color=MUTED)
    _labels(axes[-1], found)
    _title(figure, results)
    figure.savefig(path, dpi=160)
    return True


def _panel(ax, name, found):
    values = SWEEPS[name]
    for key, points in found.items():
        color, dash = LOOKS[key]
        ours = key[0] == "native"
        shapes = [S._replace(**{name: value}) for value in values]
        there = [shape for shape in shapes if shape in points]
        x = [getattr(shape, name) for shape in there]
        y = [points[shape] for shape in there]
        look = {"linewidth": 2.2 if ours else 1.4, "markersize": 4.5 if ours else 3.5}
        ax.plot(x, y, color=color, linestyle=dash, marker="o", **look)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.xaxis.set_major_locator(FixedLocator(values))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xticks(values, map(str, values))
    ax.set_xlabel(AXES[name], color=MUTED)
    ax.grid(color=GRID, linewidth=0.8)
    ax.set_axisbelow(True)
    ax.yaxis.set_major_formatter("{x:g}")
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(MUTED)
    ax.tick_params(which="both", colors=MUTED)


def _labels(ax, found):
    """Each line's name at its right end, moved apart where two would touch."""
    low, high = (math.log10(limit) for limit in ax.get_ylim())
    ends = {}
    for key, points in found.items():
        reached = [s for s in points if s == S._replace(batch=s.batch)]
        if reached:
            last = max(reached, key=lambda shape: shape.batch)
            ends[key] = (math.log10(points[last]) - low) / (high - low)
    places = spread(list(ends.values()), APART)
    for (key, end), place in zip(ends.items(), places, strict=True):
        color, _ = LOOKS[key]
        ax.annotate(
            _name(*key),
            xy=(1.0, end),
            xytext=(1.05, place),
            xycoords="axes fraction",
            color=color,
            fontsize=10,
            fontweight="bold" if key[0] == "native" else "normal",
            va="center",
            annotation_clip=False,
        )


def _name(kind, row):
    if kind == "torch":
        # The equal-work control: the same products.
        return "torch.nn.RNN (tanh)" if row == "RNN" else "torch.nn.LSTM"
    return f"{row}, {kind}"


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
    about, sizes = results.about, "B={}, T={}, m={}, n={}".format(*S)
    heading = {"color": INK, "fontsize": 13, "fontweight": "bold"}
    figure.text(
        LEFT,
        0.985,
        "Training time of a layer, forward and backward",
        va="top",
        **heading,
    )
    figure.text(
        LEFT,
        0.92,
        f"around {sizes}, last output alone, float32 · {about['processor']}, "
        f"{about['cores']} cores · the fastest of each one's turns",
        va="top",
        color=MUTED,
        fontsize=9.5,
        parse_math=False,
    )
