// ----------------------------------------------------- labels that do not overlap

/** Names the points {row, x, y} of a plot, as far as there is room beside the lines. */
function drawLabels({ over, toX, toY, edge, width }, points, lines) {
  const dots = points.map(({ row, x, y }) => ({
    name: row.variant,
    x: toX(x.mean),
    y: toY(y.mean),
  }));
  const taken = [
    ...dots.map(({ x, y }) => box(x - 8, y - 8, 16, 16)),
    ...points.flatMap((point) => barBoxes(point, toX, toY)),
    ...lines,
  ];
  const area = box(edge.left, 0, width - edge.left, edge.bottom);
  // The reference chooses first: its label must not be the one without a place.
  const rank = ({ name, x }) => (name === data.reference ? -1 : x);
  for (const dot of dots.sort((a, b) => rank(a) - rank(b))) {
    const label = text(0, 0, shorten(dot.name, 18), "start", "label");
    label.setAttribute("aria-hidden", "true");
    over.append(label);
    const spot = freeSpot(dot, label.getComputedTextLength() + 4, 15, area, taken);
    if (!spot) {
      // The legend and the tooltip still name the point.
      label.remove();
      continue;
    }
    taken.push(spot.box, ...spot.trail);
    fill(label, { x: spot.box.left + 2, y: spot.box.top + 12 }, []);
    if (spot.isFar) over.prepend(leader(dot, spot.end));
  }
}

/** Where the error bars of a point are. */
function barBoxes({ x, y }, toX, toY) {
  const [left, right] = [toX(lowEnd(x)), toX(highEnd(x))];
  const [bottom, top] = [toY(lowEnd(y)), toY(highEnd(y))];
  return [
    box(left, toY(y.mean) - 1, right - left, 2),
    box(toX(x.mean) - 1, top, 2, bottom - top),
  ];
}

function leader({ name, x, y }, [x2, y2]) {
  return paint(svg("line", { class: "leader", x1: x, y1: y, x2, y2 }), name);
}

/** The place for a label nearest to its dot that is inside the area and not taken. */
function freeSpot(dot, width, height, area, taken) {
  const sides = [[1, 0], [-1, 0], [0, -1], [0, 1], [1, -1], [-1, -1], [1, 1], [-1, 1]];
  for (const gap of [9, 18, 30, 44, 60, 80]) {
    for (const [dx, dy] of sides) {
      const left = dot.x + dx * (gap + width / 2) - width / 2;
      const top = dot.y + dy * (gap + height / 2) - height / 2;
      const spot = box(left, top, width, height);
      const end = [
        Math.min(Math.max(dot.x, spot.left), spot.right),
        Math.min(Math.max(dot.y, spot.top), spot.bottom),
      ];
      const trail = steps(dot, end);
      const free = [spot, ...trail].every((part) => !taken.some((o) => overlap(part, o)));
      const inside = left >= area.left && spot.right <= area.right;
      if (free && inside && top >= area.top && spot.bottom <= area.bottom) {
        return { box: spot, trail, end, isFar: gap > 9 };
      }
    }
  }
  return null;
}

/** Small boxes along the line from outside a dot to a label. */
function steps(dot, [x, y]) {
  const length = Math.hypot(x - dot.x, y - dot.y);
  const found = [];
  for (let at = 14; at < length - 2; at += 4) {
    const share = at / length;
    const [px, py] = [dot.x + share * (x - dot.x), dot.y + share * (y - dot.y)];
    found.push(box(px - 1, py - 1, 2, 2));
  }
  return found;
}

function box(left, top, width, height) {
  return { left, top, right: left + width, bottom: top + height };
}

function overlap(a, b) {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}

function shorten(name, most) {
  return name.length > most ? `${name.slice(0, most - 1)}…` : name;
}
