// ---------------------------------------------------------------- sensitivity
// How the score changes along one numeric axis: of each variant, at each value of the
// axis, the best of the points there, whatever their other settings.

/** The numeric axes along which a variant has several values. */
function sensitiveAxes() {
  return furtherAxes().filter((name) => {
    if (!isNumeric(name)) return false;
    return variantNames().some((variant) => {
      const own = data.rows.filter((row) => row.variant === variant);
      return new Set(own.map((row) => row.values[name])).size > 1;
    });
  });
}

const SCORES = [
  { key: "validation", title: "validation" },
  { key: "score", title: "test" },
];

function drawSensitivityFigures() {
  const section = place("sensitivity-section");
  section.hidden = choice.axis === null;
  if (section.hidden) return;
  const { title } = data.axes[choice.axis];
  place("sensitivity-heading").textContent = `Sensitivity to the ${title}`;
  const rows = bestOf(
    leftRows().filter((row) => row.values[choice.axis] !== null),
    (row) => JSON.stringify([row.variant, row.values[choice.axis]]),
  );
  const figures = SCORES.map((score) => {
    const figure = chart(`${score.title} ${metricName()} against ${title}`);
    return zoomable(figure, () => drawSensitivity(figure, score, rows));
  });
  place("sensitivity").replaceChildren(...figures);
  figures.forEach((figure) => figure.redraw());
}

function drawSensitivity(figure, { key }, rows) {
  const points = rows.map((row) => ({ row, at: row.values[choice.axis], y: row[key] }));
  const known = points.filter(({ y }) => y.mean !== null);
  if (known.length === 0) {
    say(figure, "No point to show has a result.");
    return;
  }
  const places = [...new Set(points.map(({ at }) => at))].sort((a, b) => a - b);
  const plot = frame(figure, {
    x: valueAxis(places),
    y: scoreAxis(known.map(({ y }) => y)),
    xTitle: data.axes[choice.axis].title,
    label: `${figure.dataset.name}; the arrow keys read out the values`,
  });
  for (const variant of variantNames()) {
    const own = points.filter(({ row }) => row.variant === variant);
    own.sort((a, b) => a.at - b.at);
    drawSeries(plot, variant, own);
  }
  readAlong(plot, places, (at) => tellValue(plot, known, at));
}

function valueAxis(places) {
  const [low, high] = [places[0], places[places.length - 1]];
  if (low > 0 && high / low >= 8) {
    return { low: low / 1.3, high: high * 1.3, log: true, places };
  }
  const margin = 0.05 * (high - low) || Math.abs(low) / 2 || 1;
  return { low: low - margin, high: high + margin, places };
}

/** A variant's points and the line between them; a cross where there is no result. */
function drawSeries({ inside, over, toX, toY, edge }, variant, points) {
  const known = points.filter(({ y }) => y.mean !== null);
  const group = paint(svg("g", { class: "curve" }), variant);
  // A search has many values, hardly two points of which share their other settings.
  if (data.axes[choice.axis].values.length <= MANY_VALUES) {
    const line = known.map(({ at, y }) => `${toX(at).toFixed(1)},${toY(y.mean).toFixed(1)}`);
    const dash = data.styles[variant].dash.join(" ") || null;
    const attributes = { class: "line", points: line.join(" "), "stroke-dasharray": dash };
    group.append(svg("polyline", attributes));
  }
  inside.append(group);
  for (const { row, at, y } of points) {
    const [x, lost] = [toX(at), y.mean === null];
    if (!toX.has(at) || (!lost && !toY.has(y.mean))) continue;
    const mark = svg("g", { class: "point", ...opening(row) });
    if (lost) mark.append(ending("diverged", x, edge.bottom - 8));
    else {
      mark.append(
        errorBar(x, x, toY(lowEnd(y)), toY(highEnd(y))),
        shape(data.styles[variant].marker, x, toY(y.mean), row.rank === 0 ? 6 : 4),
      );
    }
    over.append(paint(mark, variant));
  }
}

function tellValue(plot, points, at) {
  const entries = points
    .filter((point) => point.at === at)
    .map(({ row, y }) => ({ variant: row.variant, name: others(row), point: y }));
  const title = html("strong", {}, `${data.axes[choice.axis].title} ${at}`);
  tell(plot, plot.toX(at), 10, title, ranking(plot, entries, data.metric));
}

/** The row's name with its values on the axes other than the one that is shown. */
function others(row) {
  const values = furtherAxes()
    .filter((name) => name !== choice.axis)
    .map((name) => row.values[name] ?? NONE);
  return values.length ? `${row.variant} (${values.join(", ")})` : row.variant;
}

function sensitivityNote() {
  const hasOthers = furtherAxes().length > 1;
  return (
    (hasOthers
      ? "Of each variant, at each value, the point with the best mean validation score, " +
        "whatever its other settings. "
      : "") +
    "Large marks: the variant's best point of all. Crosses below: no run ended well."
  );
}
