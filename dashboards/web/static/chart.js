// Strength by generation: one curve with its interval for each player that learns, a dashed line for each
// that does not.

import { html, interval, svg } from "./dom.js";

const EDGE = { top: 12, right: 16, bottom: 42, left: 52 };

/**
 * Draw into `box`.
 * series: [{name, colour, points: [{x, middle, low, high, label, live}]}], x null for one that does not learn.
 */
export function draw(box, series, places) {
  const points = series.flatMap((one) => one.points);
  if (!points.length) {
    box.replaceChildren(html("div", { class: "empty" }, "No rated games yet."));
    return;
  }
  const { width, height } = box.getBoundingClientRect();
  const x = scale(span(points.map((p) => p.x ?? 0), 0.5), [EDGE.left, width - EDGE.right]);
  const extremes = points.flatMap((p) => [p.low ?? p.middle, p.high ?? p.middle]);
  const y = scale(padded(span(extremes, 1)), [height - EDGE.bottom, EDGE.top]);
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "Strength by generation" });
  const tip = html("div", { class: "tip", hidden: "" });
  picture.append(...axes(x, y, width, height));
  for (const one of series) picture.append(curve(one, x, y, width, tip, places));
  box.replaceChildren(picture, tip);
}

function curve(one, x, y, width, tip, places) {
  const group = svg("g", { class: `series-${one.colour}` });
  const still = one.points.filter((p) => p.x == null);
  const moving = one.points.filter((p) => p.x != null);
  for (const p of still) {
    group.append(svg("line", { class: "still", x1: EDGE.left, x2: width - EDGE.right, y1: y(p.middle), y2: y(p.middle) }));
    const label = svg("text", { x: width - EDGE.right, y: y(p.middle) - 6, "text-anchor": "end" });
    label.textContent = p.label;
    group.append(label);
  }
  const rated = moving.filter((p) => p.low != null && p.high != null);
  if (rated.length > 1) {
    const outline = [...rated.map((p) => [x(p.x), y(p.high)]), ...rated.toReversed().map((p) => [x(p.x), y(p.low)])];
    group.append(svg("polygon", { class: "band", points: outline.map((at) => at.join(",")).join(" ") }));
  }
  for (const p of rated) {
    group.append(svg("line", { class: "whisker", x1: x(p.x), x2: x(p.x), y1: y(p.low), y2: y(p.high) }));
  }
  const path = moving.map((p) => `${x(p.x)},${y(p.middle)}`).join(" ");
  group.append(svg("polyline", { class: "curve", points: path }));
  const radius = moving.length > 60 ? 2.5 : 4;
  for (const p of moving) group.append(dot(p, x(p.x), y(p.middle), radius, tip, places));
  return group;
}

function dot(point, left, top, radius, tip, places) {
  const words = `${point.label}   ${interval(point.middle, point.low, point.high, places)}`;
  const kind = point.live ? "live" : "frozen";
  const circle = svg("circle", { cx: left, cy: top, r: radius, class: kind, tabindex: 0, "aria-label": words });
  const show = () => {
    tip.textContent = words;
    tip.style.left = `${left}px`;
    tip.style.top = `${top}px`;
    tip.hidden = false;
  };
  const hide = () => { tip.hidden = true; };
  circle.addEventListener("pointerenter", show);
  circle.addEventListener("focus", show);
  circle.addEventListener("pointerleave", hide);
  circle.addEventListener("blur", hide);
  return circle;
}

function* axes(x, y, width, height) {
  for (const tick of ticks(y.domain, height / 40)) {
    yield svg("line", { class: "grid", x1: EDGE.left, x2: width - EDGE.right, y1: y(tick), y2: y(tick) });
    yield svg("text", { x: EDGE.left - 8, y: y(tick) + 4, "text-anchor": "end" }, String(tick));
  }
  for (const tick of ticks(x.domain, Math.max(2, width / 90)).filter(Number.isInteger)) {
    yield svg("text", { x: x(tick), y: height - 22, "text-anchor": "middle" }, String(tick));
  }
  yield svg("text", { x: (EDGE.left + width - EDGE.right) / 2, y: height - 4, "text-anchor": "middle" }, "generation");
}

/** Linear map of an interval onto pixels. */
function scale(domain, [from, to]) {
  const map = (value) => from + ((value - domain[0]) / (domain[1] - domain[0])) * (to - from);
  map.domain = domain;
  return map;
}

/** Smallest and largest; widened by `least` where they are the same. */
function span(values, least) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return low === high ? [low - least, high + least] : [low, high];
}

function padded([low, high]) {
  const room = (high - low) * 0.06;
  return [low - room, high + room];
}

/** About `count` round numbers within an interval. */
function ticks([low, high], count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough);
  const found = [];
  for (let i = Math.ceil(low / step); i * step <= high; i += 1) found.push(Number((i * step).toPrecision(12)));
  return found;
}
