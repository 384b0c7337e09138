// Follows two growing CSV files: history.csv of a training, and what `stages.predict --follow` writes.
"use strict";

const EVERY = 1000, SHOWN = 2000; // milliseconds; the last rows
const WIDTH = 640, HEIGHT = 260, LEFT = 64, RIGHT = 12, TOP = 12, BOTTOM = 28;
const INKS = [["var(--mark)", ""], ["#d55e00", "6 3"], ["#009e73", "2 2"]];
const asked = new URLSearchParams(location.search);
const files = { history: asked.get("history") ?? "/plots/quake/history.csv", forecast: asked.get("forecast") ?? "/forecasts.csv" };

function parse(text) {
  const [head, ...lines] = text.slice(0, text.lastIndexOf("\n") + 1).trim().split("\n"); // the last line may be half written
  const rows = lines.slice(-SHOWN).map(line => line.split(",").map(Number));
  return new Map(head.split(",").map((name, column) => [name, rows.map(row => row[column])]));
}

function add(parent, name, attributes, text = "") {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.textContent = text;
  parent.append(element);
  return element;
}

function scale(values, from, to) {
  const low = Math.min(...values), high = Math.max(...values);
  return { low, high, at: value => from + (to - from) * (high > low ? (value - low) / (high - low) : 0.5) };
}

function draw(section, table) {
  const [xName, ...others] = table.keys(), xs = table.get(xName);
  const names = section.dataset.y?.split(" ") ?? others.filter(name => !/^(lower|upper)(_|$)/.test(name));
  if (!xs.length || names.some(name => !table.has(name))) return say(section, "no rows yet");
  const band = names.length === 1 && table.has("lower") ? [table.get("lower"), table.get("upper")] : [];
  const x = scale(xs, LEFT, WIDTH - RIGHT);
  const y = scale([...names.map(name => table.get(name)), ...band].flat(), HEIGHT - BOTTOM, TOP);
  const points = values => values.map((value, i) => `${x.at(xs[i]).toFixed(1)},${y.at(value).toFixed(1)}`);
  const told = names.map(name => `${name} ${table.get(name).at(-1).toPrecision(4)}`).join(", ");
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT + 18 * names.length}`);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `${xName} ${xs.at(-1)}: ${told}`);
  if (band.length) add(svg, "polygon", { points: [...points(band[0]), ...points(band[1]).reverse()].join(" "), fill: INKS[0][0], opacity: 0.2 });
  names.forEach((name, i) => {
    const [stroke, dashes] = INKS[i % INKS.length], line = HEIGHT + 18 * i + 6;
    const ink = { fill: "none", stroke, "stroke-width": 2, "stroke-dasharray": dashes };
    add(svg, "polyline", { ...ink, points: points(table.get(name)).join(" ") });
    add(svg, "path", { ...ink, d: `M${LEFT} ${line}h30` });
    add(svg, "text", { x: LEFT + 38, y: line + 4, "font-size": 13 }, name);
  });
  const label = { "font-size": 12, "text-anchor": "end" };
  add(svg, "text", { ...label, x: LEFT - 6, y: TOP + 8 }, y.high.toPrecision(3));
  add(svg, "text", { ...label, x: LEFT - 6, y: HEIGHT - BOTTOM }, y.low.toPrecision(3));
  add(svg, "text", { ...label, x: LEFT + 30, y: HEIGHT - 10 }, x.low);
  add(svg, "text", { ...label, x: WIDTH - RIGHT, y: HEIGHT - 10 }, `${xName} ${x.high}`);
  section.replaceChildren(section.querySelector("h2"), svg);
  say(section, `${xName} ${xs.at(-1)}: ${told}`);
}

function say(section, text) {
  const line = section.querySelector("p") ?? section.appendChild(document.createElement("p"));
  line.className = "soft";
  line.textContent = text;
}

async function follow(kind) {
  const sections = [...document.querySelectorAll(`section[data-file=${kind}]`)];
  try {
    const answer = await fetch(files[kind], { cache: "no-store" });
    const text = answer.ok ? await answer.text() : "";
    for (const section of sections) text.includes("\n") ? draw(section, parse(text)) : say(section, `waiting for ${files[kind]}`);
  } catch {
    for (const section of sections) say(section, "the server does not answer");
  }
  setTimeout(follow, EVERY, kind);
}

Object.keys(files).forEach(follow);
