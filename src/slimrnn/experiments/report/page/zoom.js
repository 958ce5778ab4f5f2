// --------------------------------------------------------------------------- zoom
// Drag a rectangle, turn the wheel with Ctrl, spread two fingers, or press + and -;
// a double click, 0 or the button shows all again. Without Ctrl the wheel scrolls.

const views = new Map(); // figure's name: the part {x, y} of its axes that it shows
const plots = new WeakMap(); // figure: the plot in it
const SHORTEST = 8; // pixels of a drag; what is shorter is a click

/** The axes of a figure, cut to what it was zoomed to. */
function zoomed(figure, full) {
  const view = views.get(figure.dataset.name);
  if (!view) return full;
  return { x: { ...full.x, ...view.x }, y: { ...full.y, ...view.y } };
}

function offerReset(figure, plot) {
  plots.set(figure, plot);
  if (!views.has(figure.dataset.name)) return;
  const button = html("button", { type: "button", class: "reset" }, "Show all");
  button.addEventListener("click", () => resetZoom(figure));
  figure.append(button);
}

function resetZoom(figure) {
  if (views.delete(figure.dataset.name)) figure.redraw();
}

/** Shows the part of the plot between two corners, within what there is at all. */
function zoomTo(figure, [x1, x2], [y1, y2]) {
  const { toX, toY, full } = plots.get(figure);
  const part = (map, axis, from, to) => {
    const ends = [map.inverse(from), map.inverse(to)].sort((a, b) => a - b);
    return { low: Math.max(ends[0], axis.low), high: Math.min(ends[1], axis.high) };
  };
  const view = { x: part(toX, full.x, x1, x2), y: part(toY, full.y, y1, y2) };
  const isWhole = ["x", "y"].every(
    (axis) => view[axis].low <= full[axis].low && view[axis].high >= full[axis].high,
  );
  if (view.x.low >= view.x.high || view.y.low >= view.y.high) return;
  if (isWhole) views.delete(figure.dataset.name);
  else views.set(figure.dataset.name, view);
  figure.redraw();
}

/** Makes what is at (x, y) larger by a factor and leaves it where it is. */
function zoomAt(figure, [x, y], factor) {
  const { left, right, top, bottom } = plots.get(figure).edge;
  const around = (at, from, to) => [at + (from - at) / factor, at + (to - at) / factor];
  zoomTo(figure, around(x, left, right), around(y, bottom, top));
}

/** Lets a figure be zoomed; `redraw` draws it anew. */
function zoomable(figure, redraw) {
  figure.redraw = redraw;
  figure.addEventListener("dblclick", () => resetZoom(figure));
  figure.addEventListener("wheel", (event) => turnWheel(figure, event), { passive: false });
  figure.addEventListener("keydown", (event) => pressKey(figure, event));
  dragToZoom(figure);
  pinchToZoom(figure);
  return figure;
}

function turnWheel(figure, event) {
  const plot = plots.get(figure);
  if (!plot || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  const turn = Math.max(-50, Math.min(50, event.deltaY));
  zoomAt(figure, pointer(plot, event), Math.exp(-turn / 150));
}

function pressKey(figure, event) {
  const factor = { "+": 1.5, "-": 1 / 1.5 }[event.key];
  if (event.key === "0") resetZoom(figure);
  if (!factor || !plots.has(figure)) return;
  const { left, right, top, bottom } = plots.get(figure).edge;
  zoomAt(figure, [(left + right) / 2, (top + bottom) / 2], factor);
  figure.querySelector("svg").focus();
}

function dragToZoom(figure) {
  let start = null;
  const frameNode = svg("rect", { class: "drag" });
  const end = () => {
    start = null;
    frameNode.remove();
  };
  figure.addEventListener("pointerdown", (event) => {
    const isPlot = event.target.closest("svg") && event.button === 0;
    if (!isPlot || event.pointerType === "touch") return;
    start = pointer(plots.get(figure), event);
  });
  figure.addEventListener("pointermove", (event) => {
    if (!start) return;
    const plot = plots.get(figure);
    const [xs, ys] = dragged(plot, start, pointer(plot, event));
    if (!xs && !ys) return;
    figure.setPointerCapture(event.pointerId);
    const [x1, x2] = xs ?? [plot.edge.left, plot.edge.right];
    const [y1, y2] = ys ?? [plot.edge.top, plot.edge.bottom];
    fill(frameNode, { x: x1, y: y1, width: x2 - x1, height: y2 - y1 }, []);
    plot.over.append(frameNode);
  });
  figure.addEventListener("pointerup", (event) => {
    if (!start) return;
    const plot = plots.get(figure);
    const [xs, ys] = dragged(plot, start, pointer(plot, event));
    const { left, right, top, bottom } = plot.edge;
    end();
    if (xs || ys) zoomTo(figure, xs ?? [left, right], ys ?? [top, bottom]);
  });
  figure.addEventListener("pointercancel", end);
}

/** The ranges of x and y between two places; null for one that is too short. */
function dragged({ edge }, from, to) {
  const range = (a, b, low, high) => {
    const ends = [Math.min(a, b), Math.max(a, b)];
    const isLong = ends[1] - ends[0] >= SHORTEST;
    return isLong ? [Math.max(ends[0], low), Math.min(ends[1], high)] : null;
  };
  return [
    range(from[0], to[0], edge.left, edge.right),
    range(from[1], to[1], edge.top, edge.bottom),
  ];
}

function pinchToZoom(figure) {
  const fingers = new Map();
  const distance = ([a, b]) => Math.hypot(a[0] - b[0], a[1] - b[1]);
  const lift = (event) => fingers.delete(event.pointerId);
  figure.addEventListener("pointerdown", (event) => {
    if (event.pointerType !== "touch" || !plots.has(figure)) return;
    fingers.set(event.pointerId, pointer(plots.get(figure), event));
    if (fingers.size === 2) [...fingers.keys()].forEach((id) => figure.setPointerCapture(id));
  });
  figure.addEventListener("pointermove", (event) => {
    if (fingers.size !== 2 || !fingers.has(event.pointerId)) return;
    const before = [...fingers.values()];
    fingers.set(event.pointerId, pointer(plots.get(figure), event));
    const after = [...fingers.values()];
    if (distance(before) < 10) return;
    const centre = [0, 1].map((axis) => (after[0][axis] + after[1][axis]) / 2);
    zoomAt(figure, centre, distance(after) / distance(before));
  });
  figure.addEventListener("pointerup", lift);
  figure.addEventListener("pointercancel", lift);
}
