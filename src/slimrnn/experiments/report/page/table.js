// ---------------------------------------------------------------------- the table

const MIME = { csv: "text/csv", tex: "application/x-tex" };
const sorting = { column: null, upwards: true };

function columns() {
  const asText = measure(data.metric);
  const own = furtherAxes().map((name) => ({
    title: data.axes[name].title,
    kind: "setting",
    value: (row) => row.values[name] ?? null,
    cell: (row) => html("td", { class: "setting" }, String(row.values[name] ?? NONE)),
  }));
  const numbers = [
    { title: `test ${metricName()}`, key: "score", text: asText },
    { title: `difference to ${data.reference}`, key: "difference", cell: differenceCell },
    { title: `validation ${metricName()}`, key: "validation", text: asText },
    { title: "parameters of the layer", key: "layer_parameters", text: count, bar: true },
    { title: "parameters of the model", key: "model_parameters", text: count, bar: true },
    { title: "time of an epoch", key: "seconds_per_epoch", text: duration, bar: true },
    { title: "time of a prediction", key: "prediction_seconds", text: duration, bar: true },
  ];
  return [
    { title: "variant", value: (row) => row.variant, cell: nameCell },
    ...own,
    ...numbers.map((column) => ({
      value: (row) => asSpread(row[column.key]).mean ?? row[column.key]?.mean ?? null,
      cell: (row) => numberCell(row, column),
      ...column,
    })),
    { title: "runs", value: (row) => row.done, cell: (row) => html("td", {}, ...badges(row)) },
  ];
}

/** The table's skeleton; `fillTable` puts rows into it. */
function drawTable() {
  const shown = columns();
  const heads = shown.map((column) => {
    const button = html("button", { type: "button" }, column.title);
    const head = html("th", { scope: "col", class: column.kind }, button);
    button.addEventListener("click", () => sortBy(column, head, heads));
    return head;
  });
  for (const row of data.rows) row.line = tableRow(row, shown);
  const head = html("thead", {}, html("tr", {}, ...heads));
  place("table").replaceChildren(html("table", {}, head, html("tbody")));
  sorting.column = null;
}

function tableRow(row, shown) {
  const line = html("tr", {}, ...shown.map(({ cell }) => cell(row)));
  line.addEventListener("click", () => openPoint(row));
  return paint(line, row.variant);
}

function nameCell(row) {
  const name = html("span", { class: "name", title: row.variant }, row.variant);
  const button = html("button", { type: "button" }, swatch(), name);
  const star = isChosen(row)
    ? html("span", { class: "star", title: chosenBadge().title }, "★")
    : null;
  return html("th", { scope: "row" }, html("div", {}, button, star));
}

function largestRatio(key) {
  return Math.max(...data.rows.map(({ ratios }) => ratios[key] ?? 0));
}

function numberCell(row, { key, text: asText, bar }) {
  const ratio = row.ratios[key] ?? null;
  const value = asSpread(row[key]);
  const cell = html("td", {}, spread(value, asText));
  if (ratio === null) return cell;
  cell.append(html("small", {}, `× ${ratio.toFixed(2)}`));
  if (bar) {
    const share = html("span", { class: "share" });
    share.style.setProperty("--share", `${(100 * ratio) / largestRatio(key)}%`);
    cell.append(share);
  }
  return cell;
}

function differenceCell({ difference }) {
  if (difference === null) return html("td", {}, NONE);
  const mean = html("span", {}, signed(difference.mean));
  const cell = html("td", { class: difference.isClear ? "clear" : null }, mean);
  if (difference.low !== null) cell.append(html("small", {}, intervalText(difference)));
  return cell;
}

/** Sorts upwards, or downwards if it was sorted upwards. */
function sortBy(column, head, heads) {
  sorting.upwards = head.getAttribute("aria-sort") !== "ascending";
  sorting.column = column;
  for (const other of heads) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", sorting.upwards ? "ascending" : "descending");
  fillTable();
}

/** The rows to show in the order that was chosen; what is unknown comes last. */
function sortedRows() {
  const { column, upwards } = sorting;
  if (column === null) return shownRows();
  return shownRows().sort((first, second) => {
    const [a, b] = [column.value(first), column.value(second)];
    if (a === null || b === null) return (a === null) - (b === null);
    const isNumber = typeof a === "number" && typeof b === "number";
    const up = isNumber
      ? a - b
      : String(a).localeCompare(String(b), "en", { numeric: true });
    return upwards ? up : -up;
  });
}

function fillTable() {
  const lines = sortedRows().map(({ line }) => line);
  place("table").querySelector("tbody").replaceChildren(...lines);
}

function tableNote() {
  const parts = [
    "Mean ± standard deviation over the runs that ended well; × and bars: relative to " +
      `${data.base}.`,
    data.rows.some(isChosen)
      ? "★: the best point of its variant, by the mean validation score among the points " +
        "with the most finished seeds; test scores have no say in it."
      : "",
    data.rows.some(({ difference }) => difference?.isClear)
      ? "Bold: the interval leaves out zero."
      : "",
    ...data.notes,
  ];
  return parts.filter(Boolean).join(" ");
}

// ------------------------------------------------------------------------- export

function drawExports() {
  const buttons = Object.entries({ csv: "CSV", tex: "LaTeX" }).map(([kind, name]) =>
    html("button", { type: "button", class: "action", onclick: () => save(kind) }, name),
  );
  place("exports").replaceChildren(...buttons);
}

/** Downloads the rows that the table shows, in its order. */
function save(kind) {
  const { head, rows, foot } = data.exports[kind];
  const lines = sortedRows().map((row) => rows[data.rows.indexOf(row)]);
  const file = new Blob([head, ...lines, foot], { type: MIME[kind] });
  const link = html("a", { href: URL.createObjectURL(file), download: `results.${kind}` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
