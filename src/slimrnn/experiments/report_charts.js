// --------------------------------------------------------------- learning curves

function drawCurves(figure, panel) {
  const epochs = [...new Set(panel.curves.flatMap((curve) => curve.epochs))];
  epochs.sort((a, b) => a - b);
  const [low, high] = [epochs[0], epochs[epochs.length - 1]];
  const single = low === high;
  const x = { low: single ? low - 0.5 : low, high: single ? high + 0.5 : high };
  const shown = panel.curves.filter((curve) => !hidden.has(curve.variant));
  const plot = frame(figure, {
    x: { ...x, whole: true },
    y: panel.axis,
    xTitle: "epoch",
    label: `${panel.title} against the epoch; the arrow keys read out the values`,
  });
  const byStatus = (a, b) => (a.status === "done") - (b.status === "done");
  for (const curve of [...shown].sort(byStatus)) drawCurve(plot, curve);
  readCurves(plot, shown, epochs);
}

function drawCurve({ inside, over, toX, toY }, { variant, status, epochs, points }) {
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
      class: done ? "line" : "line unfinished",
      points: line.join(" "),
      "stroke-dasharray": variants.get(variant).style.dash.join(" ") || null,
    }),
  );
  inside.append(group);
  const last = points.length - 1;
  const [x, y] = [toX(epochs[last]), toY.clamped(points[last].mean)];
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

/** Pointer and arrow keys choose an epoch, whose values the tooltip shows. */
function readCurves(plot, shown, epochs) {
  const { root, over, tooltip, toX, edge, width } = plot;
  const cross = svg("line", { class: "cross", y1: edge.top, y2: edge.bottom });
  let index = null;
  const leave = () => {
    index = null;
    cross.remove();
    tooltip.replaceChildren();
  };
  const show = (next) => {
    index = Math.max(0, Math.min(next, epochs.length - 1));
    const x = toX(epochs[index]);
    fill(cross, { x1: x, x2: x }, []);
    over.append(cross);
    tellEpoch(plot, shown, epochs[index]);
  };
  const nearest = (clientX) => {
    const box = root.getBoundingClientRect();
    const x = ((clientX - box.left) / box.width) * width;
    const distances = epochs.map((epoch) => Math.abs(toX(epoch) - x));
    return distances.indexOf(Math.min(...distances));
  };
  const keys = { ArrowLeft: -1, ArrowRight: 1 };
  fill(root, {
    tabindex: 0,
    onpointermove: (event) => show(nearest(event.clientX)),
    onpointerdown: (event) => show(nearest(event.clientX)),
    // A finger is lifted to read; the next touch elsewhere takes the focus away.
    onpointerleave: (event) => event.pointerType !== "touch" && leave(),
    onblur: leave,
    onkeydown: (event) => {
      if (event.key === "Escape") leave();
      if (!(event.key in keys)) return;
      event.preventDefault();
      show(index === null ? epochs.length - 1 : index + keys[event.key]);
    },
  }, []);
}

/** The values of an epoch, the best first; in two columns if there are many. */
function tellEpoch(plot, shown, epoch) {
  const found = shown
    .map((curve) => ({ ...curve, point: curve.points[curve.epochs.indexOf(epoch)] }))
    .filter(({ point }) => point);
  const upwards = choice.metric === "accuracy" ? -1 : 1;
  found.sort((a, b) => upwards * (a.point.mean - b.point.mean));
  const many = found.length > 10;
  const asText = measure(choice.metric);
  const entries = found.map(({ variant, status, point }) => {
    const name = status === "done" ? variant : `${variant} (${status})`;
    const narrow = many && plot.width < 450;
    return entry(variant, name, narrow ? asText(point.mean) : spread(point, asText));
  });
  const list = html("div", { class: many ? "many" : null }, ...entries);
  tell(plot, plot.toX(epoch), 10, html("strong", {}, `Epoch ${epoch}`), list);
}

// ------------------------------------------------------- score against the costs

const COSTS = [
  { key: "layer_parameters", title: "parameters of the layer", text: count },
  { key: "seconds_per_epoch", title: "seconds an epoch", text: duration },
];

function costPoints(cost) {
  return data.variants
    .filter(({ variant, score }) => score.mean !== null && !hidden.has(variant))
    .map((row) => ({ row, x: asSpread(row[cost.key]), y: row.score }))
    .filter(({ x }) => x.mean !== null);
}

function asSpread(value) {
  return value !== null && typeof value === "object" ? value : { mean: value, std: null };
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

function drawCosts(figure, cost) {
  const points = costPoints(cost);
  if (points.length === 0) {
    clear(figure);
    figure.append(html("p", { class: "note" }, "No variant to show has a result."));
    return;
  }
  const title = `test ${METRIC} against ${cost.title}`;
  const plot = frame(figure, {
    x: costAxis(points.map(({ x }) => x)),
    y: scoreAxis(points.map(({ y }) => y)),
    xTitle: cost.title,
    label: title,
  });
  drawGuides(plot, points);
  for (const point of points) drawPoint(plot, point, cost);
  drawLabels(plot, points);
}

/** Lines through the reference: what is above and to the left of it is better. */
function drawGuides({ inside, toX, toY, edge }, points) {
  const reference = points.find(({ row }) => row.variant === data.reference);
  if (!reference) return;
  const [x, y] = [toX(reference.x.mean), toY(reference.y.mean)];
  inside.append(
    svg("line", { class: "guide", x1: x, x2: x, y1: edge.top, y2: edge.bottom }),
    svg("line", { class: "guide", y1: y, y2: y, x1: edge.left, x2: edge.right }),
  );
}

function drawPoint(plot, { row, x, y }, cost) {
  const { over, toX, toY, tooltip } = plot;
  const [px, py] = [toX(x.mean), toY(y.mean)];
  const values = [
    [`test ${METRIC}`, spread(y, measure(data.metric))],
    [cost.title, spread(x, cost.text)],
  ];
  const lines = values.map(([name, value]) =>
    html("div", { class: "entry" }, name, html("b", {}, value)),
  );
  const show = () => tell(plot, px, py, entry(row.variant, row.variant, ""), ...lines);
  const leave = () => tooltip.replaceChildren();
  const group = svg(
    "g",
    {
      class: "point",
      tabindex: 0,
      role: "img",
      "aria-label": [row.variant, ...values.flat()].join(", "),
      onpointerenter: show,
      onpointerleave: leave,
      onfocus: show,
      onblur: leave,
    },
    svg("circle", { cx: px, cy: py, r: 14, fill: "transparent" }),
    errorBar(px, px, toY(lowEnd(y)), toY(highEnd(y))),
    errorBar(toX(lowEnd(x)), toX(highEnd(x)), py, py),
    shape(row.style.marker, px, py, 5),
  );
  over.append(paint(group, row.variant));
}

// ----------------------------------------------------- labels that do not overlap

function drawLabels({ over, toX, toY, edge, width }, points) {
  const dots = points.map(({ row, x, y }) => ({
    name: row.variant,
    x: toX(x.mean),
    y: toY(y.mean),
  }));
  const taken = [
    ...dots.map(({ x, y }) => box(x - 8, y - 8, 16, 16)),
    ...points.flatMap((point) => barBoxes(point, toX, toY)),
  ];
  const area = box(edge.left, 0, width - edge.left, edge.bottom);
  // The reference chooses first: its label must not be the one without a place.
  const rank = ({ name, x }) => (name === data.reference ? -1 : x);
  for (const dot of dots.sort((a, b) => rank(a) - rank(b))) {
    const label = text(0, 0, shorten(dot.name, 18), "start", "label");
    label.setAttribute("aria-hidden", "true");
    over.append(label);
    const spot = freeSpot(dot, label.getComputedTextLength() + 4, 15, area, taken);
    if (!spot) {
      // The legend and the tooltip still name the point.
      label.remove();
      continue;
    }
    taken.push(spot.box, ...spot.trail);
    fill(label, { x: spot.box.left + 2, y: spot.box.top + 12 }, []);
    if (spot.isFar) over.prepend(leader(dot, spot.end));
  }
}

/** Where the error bars of a point are. */
function barBoxes({ x, y }, toX, toY) {
  const [left, right] = [toX(lowEnd(x)), toX(highEnd(x))];
  const [bottom, top] = [toY(lowEnd(y)), toY(highEnd(y))];
  return [
    box(left, toY(y.mean) - 1, right - left, 2),
    box(toX(x.mean) - 1, top, 2, bottom - top),
  ];
}

function leader({ name, x, y }, [x2, y2]) {
  return paint(svg("line", { class: "leader", x1: x, y1: y, x2, y2 }), name);
}

/** The place for a label nearest to its dot that is inside the area and not taken. */
function freeSpot(dot, width, height, area, taken) {
  const sides = [[1, 0], [-1, 0], [0, -1], [0, 1], [1, -1], [-1, -1], [1, 1], [-1, 1]];
  for (const gap of [9, 18, 30, 44, 60, 80]) {
    for (const [dx, dy] of sides) {
      const left = dot.x + dx * (gap + width / 2) - width / 2;
      const top = dot.y + dy * (gap + height / 2) - height / 2;
      const spot = box(left, top, width, height);
      const end = [
        Math.min(Math.max(dot.x, spot.left), spot.right),
        Math.min(Math.max(dot.y, spot.top), spot.bottom),
      ];
      const trail = steps(dot, end);
      const free = [spot, ...trail].every((part) => !taken.some((o) => overlap(part, o)));
      const inside = left >= area.left && spot.right <= area.right;
      if (free && inside && top >= area.top && spot.bottom <= area.bottom) {
        return { box: spot, trail, end, isFar: gap > 9 };
      }
    }
  }
  return null;
}

/** Small boxes along the line from outside a dot to a label. */
function steps(dot, [x, y]) {
  const length = Math.hypot(x - dot.x, y - dot.y);
  const found = [];
  for (let at = 14; at < length - 2; at += 4) {
    const share = at / length;
    const [px, py] = [dot.x + share * (x - dot.x), dot.y + share * (y - dot.y)];
    found.push(box(px - 1, py - 1, 2, 2));
  }
  return found;
}

function box(left, top, width, height) {
  return { left, top, right: left + width, bottom: top + height };
}

function overlap(a, b) {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}

function shorten(name, most) {
  return name.length > most ? `${name.slice(0, most - 1)}…` : name;
}
