"use strict";
(() => {
const data = JSON.parse(document.getElementById("data").textContent);
const boxes = data.boxes;
const drawing = document.getElementById("drawing");
const view = document.getElementById("view");
const panel = document.getElementById("panel");
const search = document.getElementById("search");
const found = document.getElementById("found");
document.querySelector("h1").textContent = document.title;

const byKey = new Map(boxes.map((box, i) => [box.key, i]));
const shapes = [];
for (const shape of view.querySelectorAll("[data-key]")) shapes[byKey.get(shape.dataset.key)] = shape;
const edges = [...view.querySelectorAll(".edge")];
const places = boxes.map(({place: [x, y, width, height]}) => ({x, y, width, height, middle: x + width / 2}));

// ---- choosing a box ----------------------------------------------------------------------------------------------

const isNode = (i) => !["entry", "exit", "caption"].includes(boxes[i].kind);
const nodes = boxes.map((_, i) => i).filter(isNode).sort((a, b) => places[a].y - places[b].y || places[a].x - places[b].x);
let chosen = null;
let current = nodes.length ? nodes[0] : null; // the one that Tab comes to

function nodeOf(shape) { // ports and captions belong to the frame around them
  const i = byKey.get(shape.dataset.key);
  return isNode(i) ? i : boxes[i].within;
}

function fragmentKey() {
  const match = /^#node=(.*)$/.exec(location.hash);
  if (!match) return null;
  try { return decodeURIComponent(match[1]); } catch { return null; }
}

function choose(i) {
  show(i);
  const fragment = i === null ? "#" : "#node=" + encodeURIComponent(boxes[i].key);
  if (location.hash !== fragment && !(i === null && !location.hash)) location.hash = fragment;
}

function show(i) {
  for (const i of nodes) shapes[i].classList.remove("chosen", "near");
  for (const edge of edges) edge.classList.remove("near");
  chosen = i;
  panel.hidden = i === null;
  if (i === null) return;
  makeCurrent(i);
  shapes[i].classList.add("chosen");
  for (const [other] of [...boxes[i].parents, ...boxes[i].children]) shapes[other].classList.add("near");
  for (const edge of edges) {
    if (edge.dataset.source === boxes[i].key || edge.dataset.target === boxes[i].key) edge.classList.add("near");
  }
  panel.replaceChildren(...about(boxes[i]));
  panel.scrollTop = 0;
  bringIn(i);
}

function followFragment() {
  const key = fragmentKey();
  const i = key !== null && byKey.has(key) && isNode(byKey.get(key)) ? byKey.get(key) : null;
  if (i !== chosen) show(i);
}

// ---- the panel ---------------------------------------------------------------------------------------------------

function make(tag, text, name) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (name) element.className = name;
  return element;
}

function linkTo(i) {
  const link = make("button", boxes[i].title, "link");
  link.type = "button";
  link.addEventListener("click", () => { choose(i); shapes[i].focus({preventScroll: true}); });
  return link;
}

function table(rows) {
  const element = make("table");
  for (const cells of rows) {
    const row = element.insertRow();
    for (const cell of cells) row.insertCell().append(cell);
  }
  return element;
}

function section(title, ...content) {
  return [make("h3", title), ...content];
}

function about(box) {
  const close = make("button", "×", "close");
  close.type = "button";
  close.setAttribute("aria-label", "Close");
  close.addEventListener("click", leave);
  const parts = [close, make("h2", box.title)];
  if (box.id) {
    const line = make("p");
    line.append(make("code", box.id), ` from ${box.provider}`);
    parts.push(line);
  } else {
    parts.push(make("p", box.op ? `${box.op} from ${box.provider}` : box.lines[0], "soft"));
  }
  if (box.about) parts.push(make("p", box.about));
  if (box.problem) parts.push(...section("Shape not known", make("pre", box.problem)));
  if (box.outputs.length) parts.push(...section(box.outputs.length > 1 ? "Outputs" : "Output", table(box.outputs.map(
    (type, i) => box.outputs.length > 1 ? [make("code", `[${i}]`), make("code", type)] : [make("code", type)]))));
  parts.push(...inputs(box));
  if (box.attributes && box.attributes.length) parts.push(...section("Attributes", table(box.attributes.map(
    ([name, value, isDefault]) => [name, make("code", value), isDefault ? make("span", "default", "soft") : ""]))));
  if (box.makes && box.makes.length) parts.push(...section("Makes for itself", table(box.makes.map(
    ([name, kind, type]) => [name, make("span", kind, "soft"), make("code", type)]))));
  for (const [name, text] of box.functions || []) parts.push(...section(`Function ${name}`, make("pre", text)));
  if (box.children.length) parts.push(...section("Used by", table(unique(box.children).map(
    ([i, slot]) => [linkTo(i), make("span", slot ? `as ${slot}` : "", "soft")]))));
  if (box.gradient) parts.push(...section("Gradient",
    make("p", box.gradient.startsWith("program(") ? "g is the gradient that comes from below; with ones it is that of the sum." : "", "soft"),
    make("pre", box.gradient)));
  return parts;
}

function inputs(box) { // each with the box that it comes from, where there is one
  if (!box.inputs) return box.parents.length ? section("From", table(unique(box.parents).map(([i]) => [linkTo(i)]))) : [];
  const left = new Map();
  for (const [i, slot] of box.parents) left.set(slot, i);
  return box.inputs.length ? section("Inputs", table(box.inputs.map(([slot, name, type]) =>
    [slot, left.has(slot) ? linkTo(left.get(slot)) : make("span", name), make("code", type)]))) : [];
}

function unique(links) {
  const seen = new Set();
  return links.filter(([i, slot]) => !seen.has(`${i} ${slot}`) && seen.add(`${i} ${slot}`));
}

function leave() {
  const i = chosen;
  choose(null);
  if (i !== null) shapes[i].focus({preventScroll: true});
}

// ---- pan and zoom ------------------------------------------------------------------------------------------------

const SMALLEST = 0.02, LARGEST = 8;
let x = 0, y = 0, scale = 1;

function apply() {
  view.setAttribute("transform", `translate(${x} ${y}) scale(${scale})`);
}

function zoom(factor, atX = drawing.clientWidth / 2, atY = drawing.clientHeight / 2) {
  const next = Math.min(LARGEST, Math.max(SMALLEST, scale * factor));
  x = atX - (atX - x) * next / scale;
  y = atY - (atY - y) * next / scale;
  scale = next;
  apply();
}

function fit(smallest = SMALLEST) {
  const width = drawing.clientWidth, height = drawing.clientHeight;
  scale = Math.max(smallest, SMALLEST, Math.min(width / data.width, height / data.height, 1.25));
  x = (width - data.width * scale) / 2;
  y = Math.max(0, (height - data.height * scale) / 2);
  if (data.width * scale > width && nodes.length) x = width / 2 - places[nodes[0]].middle * scale;
  apply();
}

function centre(i) {
  const place = places[i];
  x = drawing.clientWidth / 2 - place.middle * scale;
  y = drawing.clientHeight / 2 - (place.y + Math.min(place.height, drawing.clientHeight / scale) / 2) * scale;
  apply();
}

function bringIn(i) { // only where it is not to be seen
  const place = places[i], left = x + place.x * scale, top = y + place.y * scale;
  const sees = left >= 0 && top >= 0 && left + place.width * scale <= drawing.clientWidth
    && top + Math.min(place.height, 60) * scale <= drawing.clientHeight;
  if (scale < 0.35) scale = 0.8;
  else if (sees) return;
  centre(i);
}

const pointers = new Map();
let moved = false;

drawing.addEventListener("pointerdown", (event) => {
  if (event.button !== 0) return;
  pointers.set(event.pointerId, {x: event.clientX, y: event.clientY, startX: event.clientX, startY: event.clientY});
  if (pointers.size === 1) moved = false;
});

drawing.addEventListener("pointermove", (event) => {
  const pointer = pointers.get(event.pointerId);
  if (!pointer) return;
  const dx = event.clientX - pointer.x, dy = event.clientY - pointer.y;
  if (!moved && Math.hypot(event.clientX - pointer.startX, event.clientY - pointer.startY) < 4) return;
  if (!moved) {
    moved = true;
    drawing.classList.add("dragged");
    drawing.setPointerCapture(event.pointerId);
  }
  const before = spread();
  pointer.x = event.clientX;
  pointer.y = event.clientY;
  if (pointers.size === 2) {
    const now = spread(), corner = drawing.getBoundingClientRect();
    zoom(now.distance / before.distance, now.x - corner.left, now.y - corner.top);
    x += now.x - before.x;
    y += now.y - before.y;
  } else {
    x += dx;
    y += dy;
  }
  apply();
});

function spread() { // the middle of the fingers and how far they are apart
  const [a, b = a] = [...pointers.values()];
  return {x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, distance: Math.max(1, Math.hypot(a.x - b.x, a.y - b.y))};
}

for (const name of ["pointerup", "pointercancel"]) addEventListener(name, (event) => {
  pointers.delete(event.pointerId);
  drawing.classList.remove("dragged");
});

drawing.addEventListener("click", (event) => {
  if (moved) { moved = false; return; }
  const shape = event.target.closest("[data-key]");
  if (shape) { makeCurrent(nodeOf(shape)); choose(nodeOf(shape)); shapes[current].focus({preventScroll: true}); }
  else if (chosen !== null) choose(null);
});

drawing.addEventListener("wheel", (event) => {
  event.preventDefault();
  const corner = drawing.getBoundingClientRect();
  const lines = event.deltaMode === 1 ? 16 : 1;
  zoom(Math.exp(-event.deltaY * lines * 0.0016), event.clientX - corner.left, event.clientY - corner.top);
}, {passive: false});

document.getElementById("zoom-in").addEventListener("click", () => zoom(1.3));
document.getElementById("zoom-out").addEventListener("click", () => zoom(1 / 1.3));
document.getElementById("zoom-fit").addEventListener("click", () => fit());

// ---- keys --------------------------------------------------------------------------------------------------------

for (const i of nodes) {
  shapes[i].setAttribute("role", "button");
  shapes[i].setAttribute("tabindex", i === current ? "0" : "-1");
  shapes[i].setAttribute("aria-label", [boxes[i].title, ...boxes[i].lines].join(", "));
}

function makeCurrent(i) {
  if (current !== null) shapes[current].setAttribute("tabindex", "-1");
  current = i;
  shapes[i].setAttribute("tabindex", "0");
}

function go(i) {
  if (i === undefined) return;
  makeCurrent(i);
  bringIn(i);
  shapes[i].focus({preventScroll: true});
}

drawing.addEventListener("keydown", (event) => {
  if (current === null || event.ctrlKey || event.metaKey || event.altKey) return;
  const at = nodes.indexOf(current);
  const steps = {
    ArrowUp: () => go((boxes[current].parents[0] || [])[0]),
    ArrowDown: () => go((boxes[current].children[0] || [])[0]),
    ArrowLeft: () => go(nodes[at - 1]),
    ArrowRight: () => go(nodes[at + 1]),
    Home: () => go(nodes[0]),
    End: () => go(nodes[nodes.length - 1]),
    Enter: () => choose(current),
    " ": () => choose(current),
  };
  if (!(event.key in steps)) return;
  event.preventDefault();
  steps[event.key]();
});

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") {
    if (document.activeElement === search && search.value) { search.value = ""; find(); }
    else if (chosen !== null) leave();
    return;
  }
  if (document.activeElement === search) return;
  const keys = {"+": () => zoom(1.3), "=": () => zoom(1.3), "-": () => zoom(1 / 1.3), "0": () => fit(), "/": () => search.focus()};
  if (!(event.key in keys)) return;
  event.preventDefault();
  keys[event.key]();
});

// ---- search ------------------------------------------------------------------------------------------------------

let matches = [], at = 0;

function find() {
  const wanted = search.value.trim().toLowerCase();
  const fits = (i) => [boxes[i].title, boxes[i].key, boxes[i].op || boxes[i].kind].some((text) => text.toLowerCase().includes(wanted));
  for (const i of nodes) shapes[i].classList.remove("match");
  matches = wanted ? nodes.filter(fits) : [];
  at = 0;
  for (const i of matches) shapes[i].classList.add("match");
  goToMatch();
  if (wanted && !matches.length) found.textContent = "nothing found";
}

function goToMatch() {
  found.textContent = matches.length ? `${at + 1} of ${matches.length}` : "";
  if (!matches.length) return;
  if (scale < 0.35) scale = 0.8;
  centre(matches[at]);
}

search.addEventListener("input", find);
search.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !matches.length) return;
  event.preventDefault();
  if (chosen === matches[at]) at = (at + (event.shiftKey ? matches.length - 1 : 1)) % matches.length;
  choose(matches[at]);
  goToMatch();
});

addEventListener("hashchange", followFragment);
fit(0.5);
followFragment();
if (chosen !== null) centre(chosen);
})();
