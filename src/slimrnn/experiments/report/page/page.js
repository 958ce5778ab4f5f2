// ------------------------------------------------------------------- the whole page

const MOST_UNFINISHED = 3;

/** Turns to a problem: the runs on one data set. */
function begin(problem) {
  data = problem;
  for (const row of data.rows) row.text = haystack(row);
  for (const memory of [hidden, pinned, filters, views]) memory.clear();
  words = [];
  choice.view = "best";
  choice.metric = Object.keys(data.panels)[0] ?? null;
  const axes = sensitiveAxes();
  choice.axis = axes.find((name) => name === "learning_rate") ?? axes[0] ?? null;
  place("lead").textContent = data.lead;
  drawUnfinished();
  drawControls();
  drawLegend();
  drawSwitches();
  drawTable();
  drawExports();
  draw();
}

/** Draws all that depends on what was chosen. */
function draw() {
  tellShown();
  fillTable();
  drawCurveFigures();
  drawCostFigures();
  drawSensitivityFigures();
  place("curves-note").textContent = curvesNote();
  place("table-note").textContent = tableNote();
  place("costs-note").textContent = costsNote();
  place("sensitivity-note").textContent = sensitivityNote();
}

function drawSwitches() {
  const parts = new Set(Object.values(data.panels).flatMap((panel) => Object.keys(panel)));
  const held = ["test", "validation"].filter((part) => parts.has(part));
  const metrics = Object.keys(data.panels).map((name) => [name, content.metricNames[name]]);
  const axes = sensitiveAxes().map((name) => [name, data.axes[name].title]);
  const put = (id, ...switches) =>
    place(id).replaceChildren(...switches.filter((part) => part !== null));
  put(
    "curves-switches",
    toggle("metric", "Metric", metrics, drawCurveFigures),
    toggle("heldOut", "Held-out data", held.map((part) => [part, part]), drawCurveFigures),
  );
  put("sensitivity-switches", toggle("axis", "Setting", axes, drawSensitivityFigures));
}

/** The runs that did not end well and why, the first of them at once. */
function drawUnfinished() {
  place("unfinished").replaceChildren();
  const runs = data.rows.flatMap((row) => row.runs.map((run) => ({ row, run })));
  const unfinished = runs.filter(({ run }) => run.status !== "done");
  if (unfinished.length === 0) return;
  const lines = unfinished.map(({ row, run }) => {
    const name = html("button", { type: "button", class: "link" }, row.variant);
    name.addEventListener("click", () => openPoint(row));
    const why = run.reason ? `: ${run.reason}` : "";
    const which = [position(row), `seed ${run.seed ?? NONE}`, run.status];
    return html("li", {}, name, `, ${which.filter(Boolean).join(", ")}${why}`);
  });
  const share = `${unfinished.length} of ${plural(runs.length, "run")}`;
  const notice = html(
    "div",
    { class: "notice" },
    `Not trained to the end, and left out of all means: ${share}`,
    html("ul", {}, ...lines.slice(0, MOST_UNFINISHED)),
  );
  const rest = lines.slice(MOST_UNFINISHED);
  if (rest.length > 0) {
    const title = html("summary", {}, `${rest.length} more`);
    notice.append(html("details", {}, title, html("ul", {}, ...rest)));
  }
  place("unfinished").append(notice);
}

function drawMaking() {
  place("command").textContent = content.command;
  if (Object.keys(content.environment).length > 0) {
    place("environment").append(definitions(content.environment));
  }
}

drawMaking();
begin(content.problems[0]);

let drawnWidth = document.body.clientWidth;
new ResizeObserver(() => {
  // Height changes with what is drawn; only the width calls for another drawing.
  if (document.body.clientWidth === drawnWidth) return;
  drawnWidth = document.body.clientWidth;
  draw();
}).observe(document.body);
