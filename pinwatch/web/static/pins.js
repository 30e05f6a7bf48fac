// The list of pins, the newest first, and what of it is shown.

import { clock, duration, element } from "./words.js";

const STEP = 100; // pins that are shown at once, and more at each wish
const KEPT = 5000;

const list = document.getElementById("list");
const none = document.getElementById("none");
const more = document.getElementById("more");
const news = document.getElementById("news");
const filters = document.getElementById("filters");
const template = document.getElementById("pin").content;

const pins = new Map();
let shown = STEP;
let drawing = false;

export function keep(pin, isNew) {
  const known = pins.has(pin.id);
  pins.delete(pin.id);
  pins.set(pin.id, { ...pin, received: performance.now(), isNew: isNew && !known });
  if (pins.size > KEPT) pins.delete(pins.keys().next().value);
  if (isNew && !known) news.textContent = `${pin.user} pinned by ${pin.rule}`;
  redraw();
}

export function keepAll(newestFirst) {
  for (const pin of newestFirst.toReversed()) {
    pins.set(pin.id, { ...pin, received: performance.now(), isNew: false });
  }
  redraw();
}

export function offerRules(rules) {
  const known = [...filters.rule.options].map((option) => option.value);
  for (const rule of rules) {
    if (!known.includes(rule)) filters.rule.append(element("option", rule, { value: rule }));
  }
}

export function tick() {
  for (const item of list.children) say(item, pins.get(Number(item.dataset.id)));
}

function redraw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    draw();
  });
}

function draw() {
  offerRules(new Set([...pins.values()].map((pin) => pin.rule)));
  const wanted = [...pins.values()].filter(asked()).sort((one, other) => other.id - one.id);
  const items = new Map([...list.children].map((item) => [Number(item.dataset.id), item]));
  list.replaceChildren(...wanted.slice(0, shown).map((pin) => items.get(pin.id) || drawn(pin)));
  tick();
  more.hidden = wanted.length <= shown;
  more.textContent = `Show more of ${wanted.length}`;
  none.hidden = wanted.length > 0;
  if (pins.size > 0) none.textContent = "No pin is like that.";
}

function asked() {
  const given = Object.fromEntries(
    [...new FormData(filters)].map(([name, value]) => [name, value.trim().toLowerCase()]),
  );
  return (pin) => (!given.rule || pin.rule === given.rule)
    && pin.user.toLowerCase().includes(given.user)
    && pin.database.toLowerCase().includes(given.database)
    && pin.application_name.toLowerCase().includes(given.application);
}

function drawn(pin) {
  const item = template.cloneNode(true).firstElementChild;
  const part = (name) => item.querySelector(name);
  item.dataset.id = pin.id;
  item.classList.toggle("new", pin.isNew);
  part(".rule").textContent = pin.rule;
  part(".contested").hidden = !pin.contested;
  const application = pin.application_name && `, ${pin.application_name}`;
  part(".who").textContent = `${pin.user} in ${pin.database}${application}`;
  part(".sql code").append(...marked(pin.sql, ...pin.trigger));
  part(".sql").setAttribute("aria-label", `SQL that pinned by ${pin.rule}`);
  part(".advice p").textContent = pin.advice;
  part(".advice button").addEventListener("click", (event) => copy(event.target, pin.advice));
  part(".readings").hidden = !pin.contested;
  part(".readings").textContent = pin.contested;
  return item;
}

function marked(sql, start, end) {
  const [begin, stop] = [[...sql].slice(0, start).join(""), [...sql].slice(0, end).join("")];
  const trigger = element("mark", stop.slice(begin.length));
  return [begin, ...(trigger.textContent ? [trigger] : []), sql.slice(stop.length)];
}

function say(item, pin) {
  const running = pin.until === null;
  const since = running ? (performance.now() - pin.received) / 1000 : 0;
  const line = item.querySelector(".when");
  const state = element("span", running ? "pinned" : "was pinned");
  state.className = running ? "running" : "";
  line.replaceChildren(
    `${clock(pin.at)}, client ${pin.client}, connection ${pin.connection}, `,
    state,
    ` for ${duration(pin.pinned_seconds + since)}`,
  );
}

async function copy(button, text) {
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Not copied";
  }
  setTimeout(() => { button.textContent = "Copy the fix"; }, 2000);
}

function narrow() {
  shown = STEP;
  redraw();
}

filters.addEventListener("input", narrow);
filters.addEventListener("reset", () => setTimeout(narrow));
filters.addEventListener("submit", (event) => event.preventDefault());
more.addEventListener("click", () => {
  shown += STEP;
  redraw();
});
