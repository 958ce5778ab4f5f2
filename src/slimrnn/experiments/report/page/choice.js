// ------------------------------------------------- what is shown: state and filters

const MANY_VALUES = 12; // of an axis: more are chosen by their range, not one by one

let data = null; // one of the content's problems
const choice = { metric: null, heldOut: "test", view: "best", axis: null };
const hidden = new Set(); // variants
const pinned = new Set(); // rows whose curves are shown beside the best ones
const filters = new Map(); // axis: whether a value passes
let words = []; // all of which a row must contain

const metricName = () => content.metricNames[data.metric];
const furtherAxes = () => Object.keys(data.axes).filter((name) => name !== "variant");
const variantNames = () => data.axes.variant.values;
const isNumeric = (name) =>
  data.axes[name].values.every((value) => value === null || typeof value === "number");

/** Where a row is on the further axes, in words. */
function position(row) {
  return furtherAxes()
    .map((name) => `${data.axes[name].title} ${row.values[name] ?? NONE}`)
    .join(", ");
}

function rowName(row) {
  const where = position(row);
  return where ? `${row.variant} (${where})` : row.variant;
}

/** All that a search may find of a row. */
function haystack(row) {
  const endings = content.statuses.filter((status) => row[status] > 0);
  const reasons = row.runs.map((run) => run.reason ?? "");
  return [rowName(row), ...endings, ...reasons].join(" ").toLowerCase();
}

/** The rows that legend, filters and search leave. */
function leftRows() {
  return data.rows.filter(
    (row) =>
      !hidden.has(row.variant) &&
      [...filters].every(([name, passes]) => passes(row.values[name])) &&
      words.every((word) => row.text.includes(word)),
  );
}

/** Of each group of rows the best, as it was ranked on the validation data. */
function bestOf(rows, group = (row) => row.variant) {
  const best = new Map();
  for (const row of rows) {
    const known = best.get(group(row));
    if (!known || row.rank < known.rank) best.set(group(row), row);
  }
  return [...best.values()];
}

function shownRows() {
  return choice.view === "best" ? bestOf(leftRows()) : leftRows();
}

// --------------------------------------------------------------------- the controls

/** A choice between a few words; nothing where there is nothing to choose. */
function toggle(key, title, options, redraw) {
  if (options.length < 2) return null;
  const labels = options.map(([value, label]) => {
    const input = html("input", {
      type: "radio",
      name: key,
      value,
      checked: value === choice[key] ? "" : null,
      onchange: () => {
        choice[key] = value;
        redraw();
      },
    });
    return html("label", {}, input, html("span", {}, label));
  });
  return html("fieldset", { class: "switch" }, html("legend", {}, title), ...labels);
}

/** Whether a variant has several points, so that there is something to choose. */
const isSweep = () => data.rows.length > variantNames().length;

function drawControls() {
  const parts = [problemChoice()];
  if (isSweep()) parts.push(viewChoice(), ...furtherAxes().map(axisFilter), search());
  const controls = parts.filter((part) => part !== null);
  place("controls").replaceChildren(...controls);
  place("controls").hidden = controls.length === 0;
}

function labelled(title, ...inputs) {
  return html("label", { class: "field" }, html("span", {}, title), ...inputs);
}

function problemChoice() {
  if (content.problems.length < 2) return null;
  const select = html("select", {
    onchange: () => begin(content.problems[select.selectedIndex]),
  });
  for (const problem of content.problems) {
    const selected = problem === data ? "" : null;
    select.append(html("option", { selected }, problem.name));
  }
  return labelled("data set", select);
}

function viewChoice() {
  const options = [
    ["best", "best points"],
    ["all", "all points"],
  ];
  return toggle("view", "Points", options, draw);
}

function axisFilter(name) {
  const { title, values } = data.axes[name];
  if (isNumeric(name) && values.length > MANY_VALUES) return rangeFilter(name);
  const select = html("select", { "data-axis": name });
  select.append(html("option", {}, "all"));
  for (const value of values) select.append(html("option", {}, String(value ?? NONE)));
  select.addEventListener("change", () => {
    const wanted = values[select.selectedIndex - 1];
    if (select.selectedIndex === 0) filters.delete(name);
    else filters.set(name, (value) => value === wanted);
    draw();
  });
  return labelled(title, select);
}

function rangeFilter(name) {
  const known = data.axes[name].values.filter((value) => value !== null);
  const ends = [Math.min(...known), Math.max(...known)];
  const [from, to] = ends.map((end, i) =>
    html("input", {
      type: "number",
      step: "any",
      placeholder: end,
      "aria-label": `${data.axes[name].title}, ${i ? "highest" : "lowest"}`,
      oninput: () => {
        const low = from.value === "" ? -Infinity : Number(from.value);
        const high = to.value === "" ? Infinity : Number(to.value);
        filters.set(name, (value) => value >= low && value <= high);
        draw();
      },
    }),
  );
  const title = html("span", {}, data.axes[name].title);
  return html("div", { class: "field" }, title, from, "to", to);
}

function search() {
  const input = html("input", {
    type: "search",
    placeholder: "Search, such as diverged",
    "aria-label": "Search the points",
    oninput: () => {
      words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      draw();
    },
  });
  return input;
}

function drawLegend() {
  const buttons = variantNames().map((variant) => {
    const { dash, marker } = data.styles[variant];
    const line = { class: "line", x1: 1, x2: 27, y1: 6, y2: 6 };
    line["stroke-dasharray"] = dash.join(" ") || null;
    const sample = svg("svg", { width: 28, height: 12, "aria-hidden": "true" });
    sample.append(svg("line", line), shape(marker, 14, 6, 4));
    const name = html("span", { class: "name" }, variant);
    const button = html("button", { type: "button", "aria-pressed": "true" }, sample, name);
    button.addEventListener("click", () => {
      if (!hidden.delete(variant)) hidden.add(variant);
      button.setAttribute("aria-pressed", String(!hidden.has(variant)));
      draw();
    });
    return paint(button, variant);
  });
  place("legend").replaceChildren(...buttons);
}

/** How much of what there is the page shows. */
function tellShown() {
  const [shown, all] = [shownRows().length, data.rows.length];
  const best = isSweep() && choice.view === "best" ? ", the best of each variant" : "";
  const isWhole = !isSweep() && shown === all;
  const sentence = `Shown: ${shown} of ${plural(all, "point")}${best}.`;
  place("shown").textContent = isWhole ? "" : sentence;
}
