// A chart: drawn by Plot, zoomed by d3, read out, and saved as a file.
const SHORTEST = 8; // pixels of a drag; what is shorter is a click
const AXES = ["x", "y"];
const zooms = new Map(); // chart's title: the domains {x, y} that it shows

function drawCharts(part, specs) {
  const charts = d3.select(root).select(`.${part}`);
  charts.selectAll("figure").remove();
  const figures = charts.selectAll("figure").data(specs).join("figure");
  figures.append("div").attr("class", "tools");
  figures.append("h3").text(({ title }) => title);
  figures.filter(({ stops }) => !stops.length).append("p").text("Nothing to show has a result.");
  figures.filter(({ stops }) => stops.length > 0).each(drawChart);
}

/** Draws into a figure. Pointer and keys find stops {x, title, lines: [{color, name, text}]}. */
function drawChart(spec) {
  let svg, at;
  const [tools, frame, tip] = ["tools", "frame", "tooltip"].map((name) =>
    d3.select(this).selectAll(`.${name}`).data([0]).join("div").attr("class", name));
  const reset = tools.append("button").text("Show all").on("click", () => show(null));
  tools.append("button").text("SVG").on("click", () => saveChart(svg, spec.title));
  frame.attr("tabindex", 0).attr("role", "img").attr("aria-label", spec.title);
  tip.attr("role", "status");

  const show = (view) => {
    zooms.set(spec.title, view);
    redraw();
  };

  /** Shows what lies between two pixels along each axis, within what there is at all. */
  function zoom(sides) {
    const [x, y] = AXES.map((axis, i) => {
      const [least, most] = spec[axis].domain;
      const [from, to] = d3.extent(sides[i].map(svg.scale(axis).invert));
      const slack = (most - least) / 1e6;
      return [from < least + slack ? least : from, to > most - slack ? most : to];
    });
    const isAll = `${[x, y]}` === `${[spec.x.domain, spec.y.domain]}`;
    if (x[0] < x[1] && y[0] < y[1]) show(isAll ? null : { x, y });
  }

  function redraw() {
    const view = zooms.get(spec.title) ?? { x: spec.x.domain, y: spec.y.domain };
    const width = Math.max(frame.node().clientWidth, 240);
    const ticks = d3.ticks(...view.x, width / 65).filter(Number.isInteger);
    const common = { tickSize: 0, labelArrow: "none" };
    svg = Plot.plot({
      width, height: width < 400 ? 250 : 300, marginLeft: 48, marginTop: 30, marginBottom: 48,
      inset: 6, grid: true, r: { type: "identity" }, style: { fontSize: "12px" },
      x: { ...common, ...(spec.isWhole && { ticks }), ...spec.x, domain: view.x },
      y: { ...common, ...spec.y, domain: view.y },
      marks: spec.marks,
    });
    svg.addEventListener("input", () => tell(tip, svg));
    svg.addEventListener("click", open);
    const ranges = AXES.map((axis) => svg.scale(axis).range);
    const corners = d3.transpose([ranges[0], ranges[1].toReversed()]);
    const brush = d3.brush().extent(corners).touchable(false);
    d3.select(svg).append("g").call(brush.on("end", ({ selection }) => {
      const isLong = ([from, to]) => to - from >= SHORTEST;
      const sides = d3.transpose(selection ?? []);
      if (sides.some(isLong)) zoom(sides.map((side, i) => (isLong(side) ? side : ranges[i])));
    }));
    frame.node().replaceChildren(svg);
    reset.attr("hidden", zooms.get(spec.title) ? null : "");
    tell(tip, svg);
    drawLabels(svg, spec.named ?? []);
  }

  const open = () => svg.value?.row && openPoint(svg.value.row);
  const send = (kind, place) =>
    svg.dispatchEvent(new PointerEvent(kind, { pointerType: "mouse", ...place }));
  function step(by) {
    const [x, y] = AXES.map((axis) => svg.scale(axis));
    const seen = spec.stops.filter((stop) => stop.x >= x.domain[0] && stop.x <= x.domain[1]);
    const next = seen.includes(at) ? seen.indexOf(at) + by : seen.length - 1;
    at = seen[Math.max(0, Math.min(next, seen.length - 1))];
    const { left, top } = svg.getBoundingClientRect();
    const clientY = top + y.apply(at.mean ?? y.domain[1]);
    send("pointermove", { clientX: left + x.apply(at.x), clientY });
  }

  // Without Ctrl the wheel, and a single finger, scroll the page.
  let before = d3.zoomIdentity;
  const isZoom = (event) => event.ctrlKey || event.metaKey || event.touches?.length > 1;
  const zoomer = d3.zoom().filter(isZoom).on("zoom", ({ transform: now }) => {
    const factor = now.k / before.k;
    const back = (axis) => (end) => (end - now[axis] + factor * before[axis]) / factor;
    zoom(AXES.map((axis) => svg.scale(axis).range.map(back(axis))));
    before = now;
  });
  const keys = {
    ArrowLeft: () => step(-1), ArrowRight: () => step(1), Enter: open,
    Escape: () => send("pointerleave"), 0: () => show(null),
    "+": () => frame.call(zoomer.scaleBy, 1.5), "-": () => frame.call(zoomer.scaleBy, 1 / 1.5),
  };
  frame.call(zoomer).on("dblclick.zoom", keys[0]).on("blur", keys.Escape);
  frame.on("keydown", (event) => {
    if (event.key in keys) event.preventDefault();
    keys[event.key]?.();
  });
  // Plot would hold the tooltip at a press, which here begins a drag or opens details.
  frame.on("pointerdown", (event) => event.stopPropagation(), true);
  redraw();
}

/** Reads out the stop that is pointed at, on the other side of the chart. */
function tell(tip, svg) {
  const { x, title, color, lines = [] } = svg.value ?? {};
  const read = svg.value ? [{ title, color }, ...lines] : [];
  tip.classed("right", x && svg.scale("x").apply(x) < svg.clientWidth / 2);
  tip.classed("many", lines.length > 10).selectAll("div").remove();
  const line = tip.selectAll("div").data(read).join("div").style("--color", (own) => own.color);
  line.append("span").attr("class", ({ color }) => (color ? "swatch" : ""));
  line.append("span").text((own) => own.name ?? own.title);
  line.append("b").text(({ text }) => text);
}

/** Names points beside their dots, where that hides nothing; the others are left out. */
function drawLabels(svg, points) {
  const [x, y] = AXES.map((axis) => svg.scale(axis));
  const box = (cx, cy, w, h) => [cx - w, cy - h, cx + w, cy + h];
  const meet = (a, b) => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];
  const taken = points.map((point) => box(x.apply(point.x), y.apply(point.mean), 8, 8));
  const sides = [[-1, 0], [1, 0], [0, -1], [0, 1], [-1, -1], [1, 1], [1, -1], [-1, 1]];
  for (const [{ name }, [left, top]] of d3.zip(points, [...taken])) {
    const label = d3.select(svg).append("text").attr("class", "label").text(name);
    const [w, h] = [label.node().getComputedTextLength() / 2 + 2, 8];
    const free = d3.cross([9, 14, 20, 28, 38], sides)
      .map(([gap, [dx, dy]]) => box(left + 8 + dx * (gap + w), top + 8 + dy * (gap + h), w, h))
      .filter((spot) => spot[0] >= x.range[0] && spot[2] <= x.range[1])
      .filter((spot) => spot[1] >= 16 && spot[3] <= y.range[0]) // the axis's label is above
      .find((spot) => !taken.some((other) => meet(spot, other)));
    if (!free) label.remove();
    else taken.push(free) && label.attr("x", free[0] + w).attr("y", free[3] - 4);
  }
}

/** Downloads a chart with a legend, in the colours of a light page. */
function saveChart(svg, title) {
  document.documentElement.style.colorScheme = "light";
  const copy = d3.select(svg.cloneNode(true));
  const looks = d3.map(svg.querySelectorAll("*"), (node) => getComputedStyle(node));
  copy.selectAll("*").each(function (_, i) {
    for (const key of ["fill", "stroke", "font"]) this.style[key] = looks[i][key];
  });
  const { width, height } = svg.viewBox.baseVal;
  copy.attr("viewBox", [0, 0, width + 130, height]).attr("width", width + 130);
  all(".legend label:has(:checked)").forEach((label, i) => {
    const entry = copy.append("text").attr("x", width + 60).attr("y", 40 + 16 * i);
    entry.style("fill", getComputedStyle(label).fill).text(`■ ${label.innerText}`);
  });
  document.documentElement.style.colorScheme = "";
  save([new XMLSerializer().serializeToString(copy.node())], `${title}.svg`);
}
