// What the charts show, as points {row, x, mean, std} and the marks that draw them.
const pointOf = (row, x, spread) => ({ ...row, row, x, ...spread });
const low = ({ mean, std }) => mean - (std ?? 0);
const high = ({ mean, std }) => mean + (std ?? 0);
const ends = (spreads) => spreads.flatMap((spread) => [low(spread), high(spread)]);
const at = { x: "x", y: "mean", clip: true };
const quiet = { stroke: "var(--muted)", clip: true };
const crosshair = (stops) => Plot.ruleX(stops, Plot.pointerX({ x: "x", ...quiet }));
const bar = { stroke: "color", strokeOpacity: 0.6, strokeWidth: 1.5, clip: true };

/** A scale with room around the values; logarithmic where they span more than a ratio. */
function scaleOf(label, values, ratio, from = null) {
  const [least, most] = d3.extent(values);
  if (least > 0 && most / least > ratio) {
    return { label, domain: [least / 1.3, most * 1.3], type: "log", tickFormat: ",.3~r" };
  }
  const margin = 0.08 * (most - least) || 0.1 * Math.abs(most) || 1;
  return { label, domain: [from ?? least - margin, most + margin] };
}

/** A mean and its deviation with the same decimals, as Python rounds them in the table. */
function rounded({ mean, std }, decimals) {
  const digits = (value) => (value ? -Math.floor(Math.log10(Math.abs(value))) : 0);
  const places = Math.min(Math.max(decimals ?? 2 + digits(mean), std && digits(std), 0), 20);
  return mean.toFixed(places) + (std === null ? "" : ` ± ${std.toFixed(places)}`);
}

/** What is read out at each x: the points there, the best first. */
function stopsOf(points, title, { decimals, higherIsBetter }) {
  const ranked = d3.sort(points, ({ x }) => x, ({ mean }) => (higherIsBetter ? -mean : mean));
  const lines = ranked.map((point) => ({ ...point, text: rounded(point, decimals) }));
  return d3.groups(lines, ({ x }) => x).map(([x, own]) =>
    ({ x, title: `${title} ${x}`, lines: own }));
}

function lineMark(points, strokeWidth = 2) {
  const [{ color: stroke, dash: strokeDasharray }] = points;
  return Plot.lineY(points, { ...at, stroke, strokeWidth, strokeDasharray, strokeLinecap: "butt" });
}

/** Where a run ended without a result: a cross, or a ring where it was stopped. */
function endMark(points) {
  const symbol = ({ status }) => (status === "interrupted" ? "circle" : "times");
  const look = { symbol, r: 4.5, stroke: "color", strokeWidth: 2, fill: "var(--card)" };
  return Plot.dot(points, { ...at, ...look, ariaLabel: () => "end" });
}

/** Points with a result, the best of a variant large and with their deviations. */
function pointMarks(points) {
  const [r, ariaLabel] = [({ rank }) => (rank ? 3.5 : 5), () => "point"];
  const look = { symbol: "marker", r, fill: "color", stroke: "var(--card)", ariaLabel };
  return [
    Plot.ruleX(points.filter(({ rank }) => !rank), { x: "x", y1: low, y2: high, ...bar }),
    Plot.dot(d3.sort(points, ({ rank }) => -rank), { ...at, ...look }),
  ];
}

function curveCharts() {
  const parts = data.metrics[chosen("metric")] ?? {};
  const left = leftRows();
  const pinned = all("dialog:has(.pin:checked)").map(rowOf);
  const rows = [...bestOf(left), ...left.filter((row) => pinned.includes(row))];
  const held = parts[chosen("part")] ?? parts.test ?? parts.validation;
  return [parts.training, held].filter(Boolean).map((panel) => curveChart(panel, rows));
}

function curveChart(panel, rows) {
  const shown = panel.curves.filter((curve) => rows.includes(data.rows[curve.row]));
  const curves = shown.map(({ row: number, status, epochs, means, stds }) => {
    const row = data.rows[number];
    const name = (row.rank ? row.fullName : row.name) + (status === "done" ? "" : ` (${status})`);
    return epochs.map((x, i) => pointOf(row, x, { name, status, mean: means[i], std: stds[i] }));
  });
  const done = curves.filter(([{ status }]) => status === "done");
  const broken = d3.difference(curves, done);
  const stops = stopsOf(curves.flat(), "Epoch", panel);
  // On its way to infinity a diverging loss would flatten everything else.
  const typical = done.length ? done.flat() : d3.map(broken, ([first]) => first);
  const y = scaleOf(panel.label, ends(typical), 100);
  const clamp = (mean) => Math.max(y.domain[0], Math.min(mean, y.domain[1]));
  const [first, last] = d3.extent(stops, ({ x }) => x);
  const lone = first === last ? 0.5 : 0;
  return {
    title: panel.title, stops, y, isWhole: true,
    x: { label: "epoch", domain: [first - lone, last + lone] },
    marks: [
      curves.map((own) => Plot.areaY(own,
        { x: "x", y1: low, y2: high, fill: own[0].color, fillOpacity: 0.13, clip: true })),
      d3.map(broken, (own) => lineMark(own, 1)),
      done.map((own) => lineMark(own, own[0].rank ? 1.25 : 2)),
      lone ? pointMarks(done.flat()) : [],
      endMark(d3.map(broken, (own) => ({ ...own.at(-1), mean: clamp(own.at(-1).mean) }))),
      crosshair(stops),
    ],
  };
}

function costCharts(rows) {
  return chosen("cost").split(" ").map((cost) => {
    const [score, { label, title }] = [data.labels.score, data.labels[cost]];
    const known = rows.filter((row) => row[cost].mean !== null && row.score.mean !== null);
    const read = (row) => [{ ...score, ...row.score }, { title, ...row[cost] }];
    const points = known.map((row) =>
      pointOf(row, row[cost].mean, { ...row.score, title: row.fullName, lines: read(row) }));
    const best = points.filter(({ rank }) => rank === 0);
    const base = best.filter(({ variant }) => variant === data.reference);
    const front = paretoFront(points);
    const costs = ends(known.map((row) => row[cost]));
    const [x1, x2] = [low, high].map((end) => ({ row }) => end(row[cost]));
    return {
      title: `${score.title} against ${title}`, stops: d3.sort(points, ({ x }) => x),
      x: scaleOf(label, costs, 10, 0), y: scaleOf(score.label, ends(points), Infinity),
      named: [...new Set([...base, ...best])],
      marks: [
        Plot.ruleX(base, { x: "x", strokeDasharray: "2 4", ...quiet }),
        Plot.ruleY(base, { y: "mean", strokeDasharray: "2 4", ...quiet }),
        Plot.lineY([...front, { ...front.at(-1), x: 2 * d3.max(costs) }],
          { ...at, ...quiet, curve: "step-after" }),
        Plot.dot(front, { ...at, r: 9, stroke: "var(--ink)", ariaLabel: () => "front" }),
        Plot.ruleY(best, { y: "mean", x1, x2, ...bar }),
        pointMarks(points),
        Plot.dot(points, Plot.pointer({ ...at, r: 8, stroke: "var(--ink)" })),
      ],
    };
  });
}

/** The points than which none is as cheap and better. */
function paretoFront(points) {
  const worth = ({ mean }) => (data.higherIsBetter ? mean : -mean);
  const sorted = d3.sort(points, ({ x }) => x, (point) => -worth(point));
  return sorted.filter((point, i) => sorted.slice(0, i).every((one) => worth(one) < worth(point)));
}

/** Of each variant, at each value of the setting, the best point there. */
function sensitivityCharts() {
  const { name, title, isGrid } = data.axes.find((axis) => axis.name === chosen("axis"));
  const valueOf = (row) => row.values[name];
  const left = d3.sort(leftRows().filter((row) => valueOf(row) !== null), valueOf);
  const rows = bestOf(left, (row) => `${row.variant} ${valueOf(row)}`);
  const places = [...new Set(rows.map(valueOf))];
  return ["validation", "score"].map((key) => {
    const found = rows.map((row) =>
      pointOf(row, valueOf(row), { ...row[key], name: row.fullName }));
    const points = found.filter(({ mean }) => mean !== null);
    const lines = isGrid ? d3.groups(points, ({ variant }) => variant) : [];
    const stops = stopsOf(points, title, data);
    const y = scaleOf(data.labels[key].label, ends(points), Infinity);
    return {
      title: `${data.labels[key].title} against ${title}`, stops, y,
      x: { ...scaleOf(title, places, 8), ...(isGrid && { ticks: places }) },
      marks: [
        lines.map(([, own]) => lineMark(own)),
        pointMarks(points),
        endMark(d3.map(d3.difference(found, points), (lost) => ({ ...lost, mean: y.domain[0] }))),
        crosshair(stops),
      ],
    };
  });
}
