// The table of the results, the details of its rows, and what a press does.
const rowOf = (node) => data.rows[node.dataset.row];
const openPoint = (row) => all("dialog")[data.rows.indexOf(row)].showModal();

/** Sorts upwards, or downwards if it was sorted upwards; what is unknown comes last. */
function sortBy(head) {
  const sign = head.ariaSort === "ascending" ? -1 : 1;
  for (const other of head.parentNode.cells) other.ariaSort = null;
  head.ariaSort = sign > 0 ? "ascending" : "descending";
  const valueOf = (line) => line.cells[head.cellIndex].dataset.value ?? "";
  const compare = (a, b) => !a - !b || sign * (a - b || a.localeCompare(b, "en-u-kn"));
  const lines = all("tr[data-row]").sort((a, b) => compare(valueOf(a), valueOf(b)));
  root.querySelector("tbody").append(...lines);
}

function saveTable(kind) {
  const { head, rows, foot } = data.exports[kind];
  const lines = all("tr[data-row]:not([hidden])").map((line) => rows[line.dataset.row]);
  save([head, ...lines, foot], `results.${kind}`);
}

function save(parts, name) {
  const url = URL.createObjectURL(new Blob(parts));
  d3.create("a").attr("href", url).attr("download", name).node().click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

document.addEventListener("input", ({ target: { id, type, value } }) =>
  id === "problem" ? showProblem(value) : type && draw()); // a chart, too, says what is pointed at
document.addEventListener("click", ({ target }) => {
  const { row, exports } = target.closest("[data-row], [data-exports]")?.dataset ?? {};
  if (target.matches("dialog")) target.close(); // beside its content
  else if (exports) saveTable(exports);
  else if (target.closest("thead button")) sortBy(target.closest("th"));
  else if (row && !target.closest("dialog")) openPoint(data.rows[row]);
});
showProblem(0);
let drawnWidth = innerWidth; // a phone changes the height while it scrolls
addEventListener("resize", () => {
  if (innerWidth !== drawnWidth) draw();
  drawnWidth = innerWidth;
});
