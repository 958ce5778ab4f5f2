// ------------------------------------------------------------ the details of a point

function openPoint(row) {
  const dialog = place("point");
  const close = html("button", { type: "button", class: "close", "aria-label": "Close" }, "×");
  close.addEventListener("click", () => dialog.close());
  const heading = html("h2", { id: "point-heading" }, swatch(), row.variant);
  const where = position(row);
  dialog.replaceChildren(
    close,
    paint(heading, row.variant),
    where ? html("p", { class: "lead" }, where) : "",
    html("p", {}, ...badges(row), isChosen(row) ? chosenBadge() : ""),
    definitions(figuresOf(row)),
    pinChoice(row),
    ...settingsOf(row),
    html("h3", {}, plural(row.runs.length, "run")),
    ...row.runs.map(runDetails),
  );
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
}

place("point").addEventListener("click", (event) => {
  if (event.target === place("point")) place("point").close(); // beside the content
});

/** Whether a row was chosen among several of its variant. */
function isChosen(row) {
  const own = data.rows.filter(({ variant }) => variant === row.variant);
  return row.rank === 0 && own.length > 1;
}

function chosenBadge() {
  const title = "the best of its variant by the mean validation score";
  return html("span", { class: "badge chosen", title }, "★ best");
}

function badges(row) {
  return content.statuses
    .filter((status) => row[status] > 0)
    .flatMap((status) => [badge(status, `${row[status]} ${status}`), " "]);
}

function figuresOf(row) {
  const asText = measure(data.metric);
  return {
    [`test ${metricName()}`]: spread(row.score, asText),
    [`validation ${metricName()}`]: spread(row.validation, asText),
    [`difference to ${data.base}`]: differenceText(row.difference),
    "parameters of layer and model": [row.layer_parameters, row.model_parameters]
      .map((value) => (value === null ? NONE : count(value)))
      .join(", "),
    "time of an epoch": spread(row.seconds_per_epoch, duration),
    "time of a prediction": spread(row.prediction_seconds, duration),
  };
}

function differenceText(difference) {
  if (difference === null) return NONE;
  const { mean, low } = difference;
  return low === null ? signed(mean) : `${signed(mean)} (${intervalText(difference)})`;
}

function intervalText({ mean, low, high }) {
  return `${signed(low, mean)} to ${signed(high, mean)}`;
}

/** A switch that adds the curves of a point to those of the best ones. */
function pinChoice(row) {
  if (bestOf(leftRows()).includes(row)) return "";
  const input = html("input", { type: "checkbox", checked: pinned.has(row) ? "" : null });
  input.addEventListener("change", () => {
    if (input.checked) pinned.add(row);
    else pinned.delete(row);
    draw();
  });
  return html("label", { class: "field pin" }, input, "Show its learning curves as well");
}

function settingsOf(row) {
  const differs = Object.keys(row.settings).length > 0;
  return [
    differs ? html("h3", {}, "Settings that differ between points") : "",
    differs ? definitions(row.settings) : "",
    html(
      "details",
      {},
      html("summary", {}, "Settings of all points"),
      definitions(data.settings),
    ),
  ];
}

function runDetails(run) {
  const score = run.result[`test_${data.metric}`] ?? null;
  const shown = score === null ? "" : ` test ${metricName()} ${measure(data.metric)(score)}`;
  const line = html(
    "p",
    {},
    html("strong", {}, `Seed ${run.seed ?? NONE} `),
    badge(run.status, run.status),
    run.reason ? ` ${run.reason}` : "",
    shown,
  );
  const more = { folder: run.folder, ...run.result, ...run.environment };
  return html(
    "div",
    { class: "run" },
    line,
    run.command ? html("pre", { tabindex: 0 }, run.command) : null,
    html("details", {}, html("summary", {}, "Result, folder, machine"), definitions(more)),
  );
}
