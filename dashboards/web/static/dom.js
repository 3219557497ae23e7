// Building the page. Text only ever enters it as text, so nothing a run holds can become markup.

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element with attributes and children (nodes or text). */
export function html(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** An SVG element with attributes and children. */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** 950, 12.3k, 4.56M. */
export function short(number) {
  let unit = "";
  for (const larger of ["k", "M", "G", "T"]) {
    if (Math.abs(number) < 999.5) break;
    number /= 1000;
    unit = larger;
  }
  const size = Math.abs(number);
  return number.toFixed(unit === "" || size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2) + unit;
}

/** 0:07, 12:30, 1:02:30. */
export function clock(seconds) {
  const whole = Math.floor(seconds);
  const pad = (n) => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h ? `${h}:${pad(m)}:${pad(s)}` : `${m}:${pad(s)}`;
}

/** 1240 ±35; a dash where there is no rating yet. */
export function interval(middle, low, high, places = 0) {
  if (middle == null) return "–";
  if (low == null || high == null) return middle.toFixed(places);
  return `${middle.toFixed(places)} ±${((high - low) / 2).toFixed(places)}`;
}
