// ------------------------------------------------------- score against the costs

const COSTS = [
  { key: "layer_parameters", title: "parameters of the layer", text: count },
  { key: "seconds_per_epoch", title: "seconds an epoch", text: duration },
];
const MANY_POINTS = 40; // more are not all stops of the tabulator key

function drawCostFigures() {
  const rows = shownRows();
  const figures = COSTS.map((cost) => {
    const figure = chart(`test ${metricName()} against ${cost.title}`);
    return zoomable(figure, () => drawCosts(figure, cost, rows));
  });
  place("costs").replaceChildren(...figures);
  figures.forEach((figure) => figure.redraw());
}

function drawCosts(figure, cost, rows) {
  const points = rows
    .map((row) => ({ row, x: asSpread(row[cost.key]), y: row.score }))
    .filter(({ x, y }) => x.mean !== null && y.mean !== null);
  if (points.length === 0) {
    say(figure, "No point to show has a result.");
    return;
  }
  const plot = frame(figure, {
    x: costAxis(points.map(({ x }) => x)),
    y: scoreAxis(points.map(({ y }) => y)),
    xTitle: cost.title,
    label: figure.dataset.name,
  });
  drawGuides(plot, points);
  const front = drawFront(plot, points);
  const inView = points.filter(({ x, y }) => plot.toX.has(x.mean) && plot.toY.has(y.mean));
  const isCrowded = inView.length > MANY_POINTS;
  // The best points come last: they lie on the others.
  inView.sort((a, b) => b.row.rank - a.row.rank);
  for (const point of inView) drawPoint(plot, point, cost, isCrowded);
  const best = new Set(bestOf(inView.map(({ row }) => row)));
  drawLabels(plot, inView.filter(({ row }) => best.has(row)), front);
}

function ends(spreads) {
  return [Math.min(...spreads.map(lowEnd)), Math.max(...spreads.map(highEnd))];
}

/** An axis from zero, on which ratios show; a logarithmic one where it is wide. */
function costAxis(spreads) {
  const means = spreads.map(({ mean }) => mean);
  const [least, most] = [Math.min(...means), Math.max(...means)];
  const [, high] = ends(spreads);
  const wide = least > 0 && most / least > 10;
  if (wide) return { low: least / 1.4, high: high * 1.4, log: true };
  return { low: 0, high: high * 1.12 || 1 };
}

function scoreAxis(spreads) {
  const [low, high] = ends(spreads);
  const margin = 0.12 * (high - low) || 0.05 * Math.abs(high) || 0.05;
  return { low: low - margin, high: high + margin };
}

/** Lines through the reference: what is above and to the left of it is better. */
function drawGuides({ inside, toX, toY, edge }, points) {
  const reference = points.find(
    ({ row }) => row.variant === data.reference && row.rank === 0,
  );
  if (!reference) return;
  const [x, y] = [toX(reference.x.mean), toY(reference.y.mean)];
  inside.append(
    svg("line", { class: "guide", x1: x, x2: x, y1: edge.top, y2: edge.bottom }),
    svg("line", { class: "guide", y1: y, y2: y, x1: edge.left, x2: edge.right }),
  );
}

/** The Pareto front: the points than which none is as cheap and better. */
function paretoFront(points) {
  const sign = data.metric === "accuracy" ? -1 : 1;
  const sorted = [...points].sort(
    (a, b) => a.x.mean - b.x.mean || sign * (a.y.mean - b.y.mean),
  );
  const front = [];
  for (const point of sorted) {
    const last = front[front.length - 1];
    if (!last || sign * point.y.mean < sign * last.y.mean) front.push(point);
  }
  return front;
}

/** Draws the front as stairs; returns the boxes that its lines take. */
function drawFront({ inside, toX, toY, edge }, points) {
  const front = paretoFront(points);
  for (const point of points) point.isFront = front.includes(point);
  const places = front.map(({ x, y }) => [toX(x.mean), toY(y.mean)]);
  const corners = places.map(([x, y], i) => (i === 0 ? `M${x},${y}` : `H${x}V${y}`));
  inside.append(svg("path", { class: "front", d: `${corners.join("")}H${edge.right}` }));
  return places.flatMap(([x, y], i) => {
    const [nextX, nextY] = places[i + 1] ?? [edge.right, y];
    const rise = box(nextX - 1, Math.min(y, nextY), 2, Math.abs(nextY - y));
    return [box(x, y - 1, nextX - x, 2), rise];
  });
}

function drawPoint(plot, { row, x, y, isFront }, cost, isCrowded) {
  const { over, toX, toY } = plot;
  const [px, py] = [toX(x.mean), toY(y.mean)];
  const isBest = row.rank === 0;
  const values = [
    [`test ${metricName()}`, spread(y, measure(data.metric))],
    [cost.title, spread(x, cost.text)],
  ];
  const lines = values.map(([name, value]) =>
    html("div", { class: "entry" }, name, html("b", {}, value)),
  );
  const front = isFront ? [html("div", {}, "On the Pareto front")] : [];
  const group = svg(
    "g",
    {
      class: `point${isFront ? " best" : ""}${isBest ? "" : " faint"}`,
      tabindex: isBest || !isCrowded ? 0 : null,
      role: "button",
      "aria-label": [rowName(row), ...values.flat()].join(", "),
      ...telling(plot, px, py, () => [entry(row.variant, rowName(row), ""), ...lines, ...front]),
      ...opening(row),
    },
    svg("circle", { cx: px, cy: py, r: isCrowded ? 7 : 14, fill: "transparent" }),
  );
  if (isBest) {
    group.append(
      errorBar(px, px, toY(lowEnd(y)), toY(highEnd(y))),
      errorBar(toX(lowEnd(x)), toX(highEnd(x)), py, py),
    );
  }
  if (isFront) group.append(svg("circle", { class: "halo", cx: px, cy: py, r: 9 }));
  group.append(shape(data.styles[row.variant].marker, px, py, isBest ? 5 : 3.5));
  over.append(paint(group, row.variant));
}

/** The events by which a mark shows a tooltip. */
function telling(plot, x, y, contents) {
  const show = () => tell(plot, x, y, ...contents());
  const leave = () => plot.tooltip.replaceChildren();
  return { onpointerenter: show, onpointerleave: leave, onfocus: show, onblur: leave };
}

/** The events by which a mark opens the details of its row. */
function opening(row) {
  return {
    onclick: () => openPoint(row),
    onkeydown: (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      openPoint(row);
    },
  };
}

function costsNote() {
  const rows = shownRows();
  const without = rows.filter(({ score }) => score.mean === null).map(rowName);
  const named = without.slice(0, 5).join(", ");
  const more = without.length > 5 ? ` and ${without.length - 5} more` : "";
  const missing = named ? `Without a result, not shown: ${named}${more}.` : "";
  if (without.length === rows.length) return missing;
  const better = data.metric === "accuracy" ? "above" : "below";
  const hasReference = rows.some(
    (row) => row.variant === data.reference && row.rank === 0 && row.score.mean !== null,
  );
  const parts = [
    "Ringed, on the line: the Pareto front, where nothing shown is both cheaper and " +
      "better.",
    hasReference
      ? `Dotted: ${data.reference}; what lies ${better} and to the left is better.`
      : "",
    rows.some(({ done }) => done > 1) ? "Bars: ± one standard deviation." : "",
    missing,
  ];
  return parts.filter(Boolean).join(" ");
}
