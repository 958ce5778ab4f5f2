// --------------------------------------------------------------- learning curves

/** The rows whose curves are shown: hundreds of lines would show nothing. */
function curveRows() {
  const rows = new Set(bestOf(leftRows()));
  for (const row of pinned) if (!hidden.has(row.variant)) rows.add(row);
  return rows;
}

function drawCurveFigures() {
  const panels = data.panels[choice.metric] ?? {};
  const held = panels[choice.heldOut] ?? panels.test ?? panels.validation;
  const shown = [panels.training, held].filter((panel) => panel);
  const rows = curveRows();
  const figures = shown.map((panel) => {
    const figure = chart(panel.title);
    return zoomable(figure, () => drawCurves(figure, panel, rows));
  });
  place("curves").replaceChildren(...figures);
  figures.forEach((figure) => figure.redraw());
  if (shown.length === 0) place("curves").append("No run has finished an epoch.");
}

/** An empty figure under a heading, by which its zoom is remembered. */
function chart(title) {
  return html("figure", { class: "chart", "data-name": title }, html("h3", {}, title));
}

function drawCurves(figure, panel, rows) {
  const shown = panel.curves.filter((curve) => rows.has(data.rows[curve.row]));
  if (shown.length === 0) {
    say(figure, "No point to show has a curve.");
    return;
  }
  const epochs = [...new Set(shown.flatMap((curve) => curve.epochs))];
  epochs.sort((a, b) => a - b);
  const [low, high] = [epochs[0], epochs[epochs.length - 1]];
  const single = low === high;
  const x = { low: single ? low - 0.5 : low, high: single ? high + 0.5 : high };
  const plot = frame(figure, {
    x: { ...x, whole: true },
    y: roomFor(shown, panel.axis),
    xTitle: "epoch",
    label: `${panel.title} against the epoch; the arrow keys read out the values`,
  });
  const byStatus = (a, b) => (a.status === "done") - (b.status === "done");
  for (const curve of [...shown].sort(byStatus)) drawCurve(plot, curve);
  readAlong(plot, epochs, (epoch) => tellEpoch(plot, shown, epoch));
}

/** The axis, which fits the best points, made large enough for the others. */
function roomFor(curves, axis) {
  const means = curves
    .filter(({ status, row }) => status === "done" && data.rows[row].rank > 0)
    .flatMap((curve) => curve.means)
    .filter((mean) => !axis.log || mean > 0);
  const [low, high] = [Math.min(axis.low, ...means), Math.max(axis.high, ...means)];
  return { ...axis, low, high };
}

function pointsOf({ means, stds }) {
  return means.map((mean, i) => ({ mean, std: stds[i] }));
}

function drawCurve({ inside, over, toX, toY }, curve) {
  const { status, epochs } = curve;
  const { variant, rank } = data.rows[curve.row];
  const points = pointsOf(curve);
  const at = (i, value) => `${toX(epochs[i]).toFixed(1)},${toY(value).toFixed(1)}`;
  const line = points.map(({ mean }, i) => at(i, mean));
  const done = status === "done";
  const group = paint(svg("g", { class: "curve" }), variant);
  if (points.some(({ std }) => std)) {
    const highs = points.map((point, i) => at(i, highEnd(point)));
    const lows = points.map((point, i) => at(i, lowEnd(point)));
    const outline = [...highs, ...lows.reverse()].join(" ");
    group.append(svg("polygon", { class: "band", points: outline }));
  }
  group.append(
    svg("polyline", {
      class: done && rank === 0 ? "line" : "line faint",
      points: line.join(" "),
      "stroke-dasharray": data.styles[variant].dash.join(" ") || null,
    }),
  );
  inside.append(group);
  const last = points.length - 1;
  const [x, y] = [toX(epochs[last]), toY.clamped(points[last].mean)];
  if (!toX.has(epochs[last])) return;
  if (!done) over.append(paint(ending(status, x, y), variant));
  else if (points.length === 1) {
    const bar = errorBar(x, x, toY(lowEnd(points[0])), toY(highEnd(points[0])));
    over.append(paint(svg("g", {}, bar, shape("circle", x, y, 5)), variant));
  }
}

function errorBar(x1, x2, y1, y2) {
  return svg("line", { class: "error", x1, x2, y1, y2 });
}

/** Where a run broke off: a cross if it went wrong, a ring if it was stopped. */
function ending(status, x, y) {
  if (status === "interrupted") {
    return svg("g", {}, svg("circle", { class: "end", cx: x, cy: y, r: 4 }));
  }
  const strokes = `M${x - 5},${y - 5}l10,10m0,-10l-10,10`;
  return svg("g", {}, svg("path", { class: "end", d: strokes }));
}

/** The values of an epoch. */
function tellEpoch(plot, curves, epoch) {
  const found = curves
    .map((curve) => ({ curve, i: curve.epochs.indexOf(epoch) }))
    .filter(({ i }) => i >= 0)
    .map(({ curve, i }) => {
      const row = data.rows[curve.row];
      const name = row.rank === 0 ? row.variant : rowName(row);
      const ended = curve.status === "done" ? "" : ` (${curve.status})`;
      return { variant: row.variant, name: name + ended, point: pointsOf(curve)[i] };
    });
  const list = ranking(plot, found, choice.metric);
  tell(plot, plot.toX(epoch), 10, html("strong", {}, `Epoch ${epoch}`), list);
}

function curvesNote() {
  const shown = [...curveRows()];
  const parts = [
    shown.some(({ done }) => done > 1)
      ? "Lines: means over the seeds; bands: ± one standard deviation."
      : "",
    shown.some((row) => row.done < row.runs.length)
      ? "Crossed or ringed ends: single runs that diverged (×) or were stopped (○)."
      : "",
    isSweep()
      ? "Of each variant its best point of those left; others can be added from their " +
        "details."
      : "",
    "Drag, pinch, or Ctrl and the wheel zoom.",
  ];
  return parts.filter(Boolean).join(" ");
}
