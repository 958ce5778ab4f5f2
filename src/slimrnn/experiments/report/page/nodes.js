"use strict";

// The page draws itself from the JSON inside it. Texts reach it only as text nodes and
// attributes, never as HTML. This file: nodes, and numbers as texts. Then, in the order
// in which Python joins them, what is shown (choice), axes and tooltips (plot), zoom,
// labels, learning curves, points, a point's details, the table, and the whole page.

const content = JSON.parse(document.getElementById("data").textContent);
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
  const { color, dark } = data.styles[variant];
  node.classList.add("series");
  node.style.setProperty("--light", color);
  node.style.setProperty("--dark", dark);
  return node;
}

function badge(status, words) {
  return html("span", { class: status === "done" ? "badge done" : "badge" }, words);
}

function swatch() {
  return html("span", { class: "swatch" });
}

/** Names and values below each other. */
function definitions(mapping) {
  const items = Object.entries(mapping).map(([name, value]) => {
    const isPlain = value === null || typeof value !== "object";
    const shown = isPlain ? String(value ?? NONE) : JSON.stringify(value);
    const words = name.replaceAll("_", " ");
    return html("div", {}, html("dt", {}, words), html("dd", {}, shown));
  });
  return html("dl", {}, ...items);
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

/** A difference, always with its sign; decimals as the mean has. */
function signed(value, mean = value) {
  const text = data.metric === "accuracy" ? value.toFixed(3) : three(value, mean);
  return value < 0 ? text.replace("-", "−") : `+${text}`;
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

function asSpread(value) {
  return value !== null && typeof value === "object" ? value : { mean: value, std: null };
}

function plural(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
