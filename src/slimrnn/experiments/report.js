// ---------------------------------------------------------------------- the table

const COLUMNS = [
  { title: "variant", value: (row) => row.variant },
  { title: "parameters of the layer", key: "layer_parameters", text: count, bar: true },
  { title: "parameters of the model", key: "model_parameters", text: count, bar: true },
  { title: `test ${METRIC}`, key: "score", text: measure(data.metric) },
  { title: "time of an epoch", key: "seconds_per_epoch", text: duration, bar: true },
  { title: "time of a prediction", key: "prediction_seconds", text: duration, bar: true },
  { title: "runs", value: (row) => row.done },
];

function drawTable() {
  const body = html("tbody", {}, ...data.variants.map(tableRow));
  const heads = COLUMNS.map((column) => {
    const button = html("button", { type: "button" }, column.title);
    const head = html("th", { scope: "col" }, button);
    button.addEventListener("click", () => sortTable(body, heads, head, column));
    return head;
  });
  const head = html("thead", {}, html("tr", {}, ...heads));
  place("table").append(html("table", {}, head, body));
  place("table-note").textContent =
    `Mean ± standard deviation over the runs that ended well; × and bars: relative to ` +
    `${data.reference}. ${data.validation}`;
}

function largestRatio(key) {
  return Math.max(...data.variants.map(({ ratios }) => ratios[key] ?? 0));
}

function tableRow(row) {
  const swatch = html("span", { class: "swatch" });
  const name = html("span", { class: "name", title: row.variant }, row.variant);
  const head = html("th", { scope: "row" }, html("div", {}, swatch, name));
  const cells = COLUMNS.filter(({ key }) => key).map((column) => numberCell(row, column));
  const runs = html("td", {}, ...badges(row));
  const line = html("tr", { "data-variant": row.variant }, head, ...cells, runs);
  return paint(line, row.variant);
}

function numberCell(row, { key, text: asText, bar }) {
  const ratio = row.ratios[key];
  const cell = html("td", {}, spread(asSpread(row[key]), asText));
  if (ratio === null) return cell;
  cell.append(html("small", {}, `× ${ratio.toFixed(2)}`));
  if (bar) {
    const share = html("span", { class: "share" });
    share.style.setProperty("--share", `${(100 * ratio) / largestRatio(key)}%`);
    cell.append(share);
  }
  return cell;
}

function badges(row) {
  const parts = ["done", "diverged", "interrupted", "failed"]
    .filter((status) => row[status] > 0)
    .map((status) => badge(status, `${row[status]} ${status}`));
  return parts.flatMap((part) => [part, " "]);
}

function badge(status, words) {
  return html("span", { class: status === "done" ? "badge done" : "badge" }, words);
}

/** Sorts upwards, or downwards if it was sorted upwards; what is unknown comes last. */
function sortTable(body, heads, head, column) {
  const upwards = head.getAttribute("aria-sort") !== "ascending";
  for (const other of heads) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", upwards ? "ascending" : "descending");
  const value = column.value ?? ((row) => asSpread(row[column.key]).mean);
  const of = (line) => value(variants.get(line.dataset.variant));
  const order = (a, b) => {
    if (a === null || b === null) return (a === null) - (b === null);
    const up = typeof a === "string" ? a.localeCompare(b, "en", { numeric: true }) : a - b;
    return upwards ? up : -up;
  };
  body.append(...[...body.rows].sort((a, b) => order(of(a), of(b))));
}

// ------------------------------------------------------------ runs and their making

function definitions(mapping) {
  const items = Object.entries(mapping).map(([name, value]) => {
    const isPlain = value === null || typeof value !== "object";
    const shown = isPlain ? String(value ?? NONE) : JSON.stringify(value);
    const words = name.replaceAll("_", " ");
    return html("div", {}, html("dt", {}, words), html("dd", {}, shown));
  });
  return html("dl", {}, ...items);
}

function runDetails(run) {
  const result = run.result[`test_${data.metric}`] ?? null;
  const parts = {
    result: { folder: run.folder, ...run.result },
    settings: run.settings,
    environment: run.environment,
  };
  const known = Object.entries(parts).filter(([, part]) => Object.keys(part).length > 0);
  return html(
    "details",
    {},
    html(
      "summary",
      {},
      `${run.variant}, seed ${run.seed ?? NONE} `,
      badge(run.status, run.status),
      run.reason ? ` ${run.reason}` : "",
      result !== null
        ? ` · test ${METRIC} ${measure(data.metric)(result)}`
        : "",
    ),
    ...known.flatMap(([title, part]) => [html("h3", {}, title), definitions(part)]),
  );
}

function drawRuns() {
  const total = plural(data.runs.length, "run");
  const title = `${total}: settings, results and folders`;
  place("runs").append(
    html("details", {}, html("summary", {}, title), ...data.runs.map(runDetails)),
  );
  place("command").textContent = data.command;
  if (Object.keys(data.environment).length > 0) {
    place("environment").append(definitions(data.environment));
  }
}

function drawUnfinished() {
  const unfinished = data.runs.filter(({ status }) => status !== "done");
  if (unfinished.length === 0) return;
  const lines = unfinished.slice(0, 5).map(({ variant, seed, status, reason }) => {
    const why = reason ? `: ${reason}` : "";
    return html("li", {}, `${variant}, seed ${seed ?? NONE}, ${status}${why}`);
  });
  const more = unfinished.length - lines.length;
  if (more > 0) lines.push(html("li", {}, `and ${more} more, listed under Runs`));
  const share = `${unfinished.length} of ${plural(data.runs.length, "run")}`;
  const words = `Not trained to the end, and left out of all means: ${share}`;
  place("unfinished").append(
    html("div", { class: "notice" }, words, html("ul", {}, ...lines)),
  );
}

// ------------------------------------------------------------- legend and switches

function drawLegend() {
  for (const { variant, style } of data.variants) {
    const dash = style.dash.join(" ") || null;
    const line = { class: "line", x1: 1, x2: 27, y1: 6, y2: 6, "stroke-dasharray": dash };
    const sample = svg("svg", { width: 28, height: 12, "aria-hidden": "true" });
    sample.append(svg("line", line), shape(style.marker, 14, 6, 4));
    const name = html("span", { class: "name" }, variant);
    const button = html("button", { type: "button", "aria-pressed": "true" }, sample, name);
    button.addEventListener("click", () => {
      if (!hidden.delete(variant)) hidden.add(variant);
      button.setAttribute("aria-pressed", String(!hidden.has(variant)));
      draw();
    });
    place("legend").append(paint(button, variant));
  }
}

/** A choice between a few words; nothing where there is nothing to choose. */
function drawSwitch(key, title, words) {
  if (words.length < 2) return;
  const labels = words.map((word) => {
    const input = html("input", {
      type: "radio",
      name: key,
      value: word,
      checked: word === choice[key] ? "" : null,
      onchange: () => {
        choice[key] = word;
        draw();
      },
    });
    return html("label", {}, input, html("span", {}, data.metricNames[word] ?? word));
  });
  const legend = html("legend", {}, title);
  place("switches").append(html("fieldset", { class: "switch" }, legend, ...labels));
}

// ------------------------------------------------------------------- the whole page

const costFigures = COSTS.map((cost) => {
  const heading = html("h3", {}, `test ${METRIC} against ${cost.title}`);
  return html("figure", { class: "chart" }, heading);
});

function draw() {
  drawCurveFigures();
  COSTS.forEach((cost, i) => drawCosts(costFigures[i], cost));
}

function drawCurveFigures() {
  const panels = data.panels[choice.metric] ?? {};
  const held = panels[choice.heldOut] ?? panels.test ?? panels.validation;
  const shown = [panels.training, held].filter((panel) => panel);
  const figures = shown.map((panel) =>
    html("figure", { class: "chart" }, html("h3", {}, panel.title)),
  );
  place("curves").replaceChildren(...figures);
  shown.forEach((panel, i) => drawCurves(figures[i], panel));
  if (shown.length === 0) place("curves").append("No run has finished an epoch.");
}

function notes() {
  const several = data.variants.some(({ done }) => done > 1);
  const unfinished = data.runs.some(({ status }) => status !== "done");
  const sentences = [
    several ? "Lines: means over the seeds; bands: ± one standard deviation." : "",
    unfinished ? "Thin lines: single runs that diverged (×) or were stopped (○)." : "",
  ];
  place("curves-note").textContent = sentences.join(" ");
  place("costs-note").textContent = costNotes(several).join(" ");
}

function costNotes(several) {
  const without = data.variants.filter(({ score }) => score.mean === null);
  const names = without.map(({ variant }) => variant);
  const list = names.join(", ");
  const missing = list ? `Without a result, not shown: ${list}.` : "";
  if (names.length === data.variants.length) return [missing];
  const better = data.metric === "accuracy" ? "above" : "below";
  return [
    names.includes(data.reference)
      ? ""
      : `Dotted: ${data.reference}; what lies ${better} and to the left is better.`,
    several ? "Bars: ± one standard deviation." : "",
    missing,
  ];
}

const held = new Set(Object.values(data.panels).flatMap((parts) => Object.keys(parts)));
drawSwitch("metric", "Metric", Object.keys(data.panels));
drawSwitch("heldOut", "Held-out data", ["test", "validation"].filter((p) => held.has(p)));
drawUnfinished();
drawLegend();
drawTable();
drawRuns();
notes();
place("costs").append(...costFigures);

draw();

let drawnWidth = document.body.clientWidth;
new ResizeObserver(() => {
  // Height changes with what is drawn; only the width calls for another drawing.
  if (document.body.clientWidth === drawnWidth) return;
  drawnWidth = document.body.clientWidth;
  draw();
}).observe(document.body);
