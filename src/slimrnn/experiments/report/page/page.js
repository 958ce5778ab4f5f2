"use strict";
// Draws the page's charts from the JSON inside it. First: which rows the controls choose.

const problems = JSON.parse(document.getElementById("data").textContent);
const articles = [...document.querySelectorAll("article")];
let data, root; // of the data set that is shown

const all = (selector) => [...root.querySelectorAll(selector)];
const chosen = (name) => root.querySelector(`[data-choice=${name}]:checked`)?.value;

/** What each control of an axis asks of a row. */
function filters() {
  return all("[data-axis]").filter(({ value }) => value !== "").map(({ value, dataset }) => {
    const { name, values } = data.axes.find((axis) => axis.name === dataset.axis);
    const sign = { lowest: 1, highest: -1 }[dataset.end];
    if (!sign) return (row) => row.values[name] === values[value];
    return (row) => row.values[name] !== null && sign * (row.values[name] - value) >= 0;
  });
}

/** The rows that legend, filters and search leave. */
function leftRows() {
  const variants = all(".legend :checked").map(({ value }) => Number(value));
  const words = root.querySelector("[type=search]")?.value.toLowerCase().split(/\s+/) ?? [];
  const passes = [...filters(), (row) => words.every((word) => row.found.includes(word))];
  passes.push(({ variant }) => variants.includes(variant));
  return data.rows.filter((row) => passes.every((pass) => pass(row)));
}

/** Of each group of rows the best, as it was ranked on the validation data. */
function bestOf(rows, group = ({ variant }) => variant) {
  return [...d3.rollup(rows, (own) => d3.least(own, ({ rank }) => rank), group).values()];
}

function draw() {
  const rows = chosen("view") === "all" ? leftRows() : bestOf(leftRows());
  for (const line of all("tr[data-row]")) line.hidden = !rows.includes(rowOf(line));
  drawCharts("curves", curveCharts());
  drawCharts("costs", costCharts(rows));
  if (chosen("axis")) drawCharts("sensitivity", sensitivityCharts());
  all(".shown")[0].textContent = `Shown: ${rows.length} of ${data.rows.length} configurations.`;
}

function showProblem(number) {
  [data, root] = [problems[number], articles[number]];
  for (const article of articles) article.hidden = article !== root;
  draw();
}
