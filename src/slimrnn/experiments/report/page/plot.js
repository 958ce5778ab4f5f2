// --------------------------------------------------------------- scales and axes

/** Maps values to pixels; the ends of an axis are low and high. */
function scale({ low, high, log }, from, to) {
  const raise = log ? (value) => Math.log(Math.max(value, low / 10)) : Number;
  const lower = log ? Math.exp : Number;
  const start = raise(low);
  const length = raise(high) - start;
  const map = (value) => from + ((raise(value) - start) / length) * (to - from);
  map.clamped = (value) => map(Math.min(Math.max(value, low), high));
  map.inverse = (pixel) => lower(start + ((pixel - from) / (to - from)) * length);
  map.has = (value) => value >= low && value <= high;
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

/** Texts for ticks, all with the same decimals unless the axis is logarithmic. */
function tickTexts(values, log) {
  if (values.some((value) => value >= 1e6)) return values.map((value) => `${value / 1e6}M`);
  const decimals = (value) => (String(value).split(".")[1] ?? "").length;
  const most = Math.max(...values.map(decimals));
  const least = log ? 0 : most;
  const options = { minimumFractionDigits: least, maximumFractionDigits: 9 };
  return values.map((value) => value.toLocaleString("en", options));
}

let clips = 0;

/**
 * An empty diagram in a figure. Axes x and y have the form {low, high, log, whole}; of
 * them it shows what the figure was zoomed to.
 */
function frame(figure, { x: fullX, y: fullY, xTitle, label }) {
  const { x, y } = zoomed(figure, { x: fullX, y: fullY });
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
  const full = { x: fullX, y: fullY };
  const plot = { root, inside, over, tooltip, toX, toY, edge, width, height, full };
  offerReset(figure, plot);
  return plot;
}

/** Where in a plot's own units a pointer is. */
function pointer({ root, width, height }, { clientX, clientY }) {
  const box = root.getBoundingClientRect();
  const [dx, dy] = [clientX - box.left, clientY - box.top];
  return [(dx / box.width) * width, (dy / box.height) * height];
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
  const values = placesWithRoom(axis, toX) ?? ticks(axis, most);
  const texts = tickTexts(values, axis.log);
  return values.flatMap((value, i) => {
    const x = toX(value);
    const line = svg("line", { class: "grid", x1: x, x2: x, y1: top, y2: bottom });
    return [line, text(x, bottom + 17, texts[i], "middle")];
  });
}

/** The places that an axis names as its ticks, if their texts have room. */
function placesWithRoom({ places }, toX) {
  const found = places?.filter(toX.has) ?? [];
  const isWide = found.every((value, i) => i === 0 || toX(value) - toX(found[i - 1]) > 45);
  return found.length > 1 && isWide ? found : null;
}

/** Removes what is under a figure's heading. */
function clear(figure) {
  figure.querySelectorAll(":scope > :not(h3)").forEach((old) => old.remove());
}

/** A sentence in the place of a diagram. */
function say(figure, sentence) {
  clear(figure);
  figure.append(html("p", { class: "note" }, sentence));
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
  const label = html("span", { class: "name" }, name);
  const line = html("div", { class: "entry" }, swatch(), label, html("b", {}, value));
  return paint(line, variant);
}

/**
 * Pointer and arrow keys choose one of the places along x, all of them in ascending
 * order; `tellAt` shows in the tooltip what is there.
 */
function readAlong(plot, places, tellAt) {
  const { root, over, tooltip, toX, edge } = plot;
  const inView = places.filter(toX.has);
  if (inView.length === 0) return;
  const cross = svg("line", { class: "cross", y1: edge.top, y2: edge.bottom });
  let index = null;
  const leave = () => {
    index = null;
    cross.remove();
    tooltip.replaceChildren();
  };
  const show = (next) => {
    index = Math.max(0, Math.min(next, inView.length - 1));
    const x = toX(inView[index]);
    fill(cross, { x1: x, x2: x }, []);
    over.prepend(cross);
    tellAt(inView[index]);
  };
  const nearest = (event) => {
    const [x] = pointer(plot, event);
    const distances = inView.map((value) => Math.abs(toX(value) - x));
    return distances.indexOf(Math.min(...distances));
  };
  const keys = { ArrowLeft: -1, ArrowRight: 1 };
  fill(root, {
    tabindex: 0,
    onpointermove: (event) => show(nearest(event)),
    onpointerdown: (event) => show(nearest(event)),
    // A finger is lifted to read; the next touch elsewhere takes the focus away.
    onpointerleave: (event) => event.pointerType !== "touch" && leave(),
    onblur: leave,
    onkeydown: (event) => {
      if (event.key === "Escape") leave();
      if (!(event.key in keys)) return;
      event.preventDefault();
      show(index === null ? inView.length - 1 : index + keys[event.key]);
    },
  }, []);
}

/** Entries {variant, name, point}, the best first; in two columns if there are many. */
function ranking(plot, entries, metric) {
  const upwards = metric === "accuracy" ? -1 : 1;
  const sorted = [...entries].sort((a, b) => upwards * (a.point.mean - b.point.mean));
  const many = sorted.length > 10;
  const asText = measure(metric);
  const lines = sorted.map(({ variant, name, point }) => {
    const narrow = many && plot.width < 450;
    return entry(variant, name, narrow ? asText(point.mean) : spread(point, asText));
  });
  return html("div", { class: many ? "many" : null }, ...lines);
}
