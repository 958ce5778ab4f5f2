"use strict";

// The page draws itself from the JSON inside it. Texts reach it only as text nodes and
// attributes, never as HTML. This file: nodes, numbers as texts, axes and the tooltip;
// report_charts.js: the diagrams; report.js: the table, the runs and the whole page.

const data = JSON.parse(document.getElementById("data").textContent);
const variants = new Map(data.variants.map((row) => [row.variant, row]));
const hidden = new Set();
const choice = {
  metric: Object.keys(data.panels)[0],
  heldOut: "test",
};
const METRIC = data.metricNames[data.metric];
const NONE = "–";
const place = (id) => document.getElementById(id);

// ---------------------------------------------------------------- building nodes

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

function html(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  return fill(node, attributes, children);
}

/** Gives a node, and all inside it, the colour of a variant. */
function paint(node, variant) {
  const { color, dark } = variants.get(variant).style;
  node.classList.add("series");
  node.style.setProperty("--light", color);
  node.style.setProperty("--dark", dark);
  return node;
}

// ------------------------------------------------------------- numbers as texts

function count(value) {
  return value.toLocaleString("en");
}

/** A number with three digits, or with as many decimals as its mean has. */
function three(value, mean = value) {
  const power = mean === 0 ? 0 : Math.floor(Math.log10(Math.abs(mean)));
  if (power < -4 || power > 5) return value.toExponential(2);
  return value.toFixed(Math.max(0, 2 - power));
}

function duration(value, mean = value) {
  const units = [[1, "s"], [1e-3, "ms"], [1e-6, "µs"]];
  const [size, unit] = units.find(([size]) => mean >= size) ?? units[2];
  return `${three(value / size, mean / size)} ${unit}`;
}

/** Accuracies have three decimals, everything else three digits. */
function measure(metric) {
  return metric === "accuracy" ? (value) => value.toFixed(3) : three;
}

const lowEnd = ({ mean, std }) => mean - (std ?? 0);
const highEnd = ({ mean, std }) => mean + (std ?? 0);

/** The mean and the deviation, the latter to the mean's unit and decimals. */
function spread({ mean, std }, text) {
  if (mean === null) return NONE;
  if (std === null) return text(mean);
  const [value, ...unit] = text(mean).split(" ");
  const [deviation] = text(std, mean).split(" ");
  return [value, "±", deviation, ...unit].join(" ");
}

/** Texts for ticks, all with the same decimals unless the axis is logarithmic. */
function tickTexts(values, log) {
  if (values.some((value) => value >= 1e6)) return values.map((value) => `${value / 1e6}M`);
  const decimals = (value) => (String(value).split(".")[1] ?? "").length;
  const most = Math.max(...values.map(decimals));
  const least = log ? 0 : most;
  const options = { minimumFractionDigits: least, maximumFractionDigits: 9 };
  return values.map((value) => value.toLocaleString("en", options));
}

function plural(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

// --------------------------------------------------------------- scales and axes

/** Maps values to pixels; the ends of an axis are low and high. */
function scale({ low, high, log }, from, to) {
  const raise = log ? (value) => Math.log(Math.max(value, low / 10)) : Number;
  const start = raise(low);
  const length = raise(high) - start;
  const map = (value) => from + ((raise(value) - start) / length) * (to - from);
  map.clamped = (value) => map(Math.min(Math.max(value, low), high));
  return map;
}

function ticks({ low, high, log, whole }, most) {
  if (log) return logTicks(low, high, most);
  const rough = (high - low) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  let step = [1, 2, 5, 10].map((digit) => digit * power).find((s) => s >= rough);
  if (whole) step = Math.max(step, 1);
  const found = [];
  for (let i = Math.ceil(low / step); i * step <= high; i++) {
    found.push(Number((i * step).toPrecision(12)));
  }
  return found;
}

function logTicks(low, high, most) {
  const decades = [];
  for (let k = Math.floor(Math.log10(low)); k <= Math.log10(high); k++) decades.push(k);
  const tries = [[1, 2, 3, 5, 7], [1, 2, 5], [1, 3], [1]].map((digits) =>
    decades
      .flatMap((k) => digits.map((digit) => Number(`${digit}e${k}`)))
      .filter((value) => value >= low && value <= high),
  );
  return tries.find((found) => found.length <= most) ?? tries[3];
}

let clips = 0;

/** An empty diagram in a figure: axes x and y of the form {low, high, log, whole}. */
function frame(figure, { x, y, xTitle, label }) {
  const width = Math.max(figure.querySelector("h3").clientWidth, 240);
  const height = width < 400 ? 250 : 290;
  const edge = { left: 46, right: width - 14, top: 14, bottom: height - 40 };
  const toX = scale(x, edge.left, edge.right);
  const toY = scale(y, edge.bottom, edge.top);
  const axes = svg("g", { "aria-hidden": "true" });
  axes.append(...yTicks(y, toY, edge), ...xTicks(x, toX, edge, width / 65));
  axes.append(text((edge.left + edge.right) / 2, height - 5, xTitle, "middle"));
  const clip = `clip-${clips++}`;
  const area = { x: edge.left, y: edge.top, width: edge.right - edge.left };
  area.height = edge.bottom - edge.top;
  const inside = svg("g", { "clip-path": `url(#${clip})` });
  const over = svg("g");
  const root = svg(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, height, role: "img", "aria-label": label },
    svg("clipPath", { id: clip }, svg("rect", area)),
    axes,
    inside,
    over,
  );
  const tooltip = html("div", { class: "tooltip", role: "status" });
  clear(figure);
  figure.append(root, tooltip);
  return { root, inside, over, tooltip, toX, toY, edge, width, height };
}

function yTicks(axis, toY, { left, right }) {
  const values = ticks(axis, 6);
  const texts = tickTexts(values, axis.log);
  return values.flatMap((value, i) => {
    const y = toY(value);
    const line = svg("line", { class: "grid", x1: left, x2: right, y1: y, y2: y });
    return [line, text(left - 8, y + 4, texts[i], "end")];
  });
}

function xTicks(axis, toX, { top, bottom }, most) {
  const values = ticks(axis, most);
  const texts = tickTexts(values, axis.log);
  return values.flatMap((value, i) => {
    const x = toX(value);
    const line = svg("line", { class: "grid", x1: x, x2: x, y1: top, y2: bottom });
    return [line, text(x, bottom + 17, texts[i], "middle")];
  });
}

/** Removes what is under a figure's heading. */
function clear(figure) {
  figure.querySelectorAll(":scope > :not(h3)").forEach((old) => old.remove());
}

function text(x, y, content, anchor, kind) {
  return svg("text", { x, y, "text-anchor": anchor, class: kind }, content);
}

function shape(marker, x, y, size) {
  const s = size * 0.9;
  const outlines = {
    square: [[-s, -s], [s, -s], [s, s], [-s, s]],
    triangle: [[0, -size * 1.2], [size * 1.1, s], [-size * 1.1, s]],
    diamond: [[0, -size * 1.3], [size * 1.3, 0], [0, size * 1.3], [-size * 1.3, 0]],
  };
  if (marker === "circle") return svg("circle", { class: "mark", cx: x, cy: y, r: size });
  const corners = outlines[marker].map(([dx, dy]) => `${x + dx},${y + dy}`);
  return svg("polygon", { class: "mark", points: corners.join(" ") });
}

/** Fills a plot's tooltip and puts it beside (x, y), inside the figure. */
function tell(plot, x, y, ...content) {
  const { tooltip, width } = plot;
  tooltip.replaceChildren(...content);
  const room = tooltip.parentNode.clientWidth - tooltip.offsetWidth;
  const beside = x > width / 2 ? x - tooltip.offsetWidth : x + 40;
  tooltip.style.left = `${Math.max(0, Math.min(beside, room))}px`;
  tooltip.style.top = `${y + 40}px`;
}

function entry(variant, name, value) {
  const swatch = html("span", { class: "swatch" });
  const label = html("span", { class: "name" }, name);
  const line = html("div", { class: "entry" }, swatch, label, html("b", {}, value));
  return paint(line, variant);
}
