// The list of pins: the newest that are as the filters have it, by what the API answers,
// and by what is heard since.

import { get } from "./ask.js";
import { clock, duration, element } from "./words.js";

const STEP = 100; // pins that are shown at once, and more at each wish
const NAMES = ["user", "database", "application"]; // that need only be given in part
const KEPT = 1000; // pins more than are shown, where nobody looks and nothing is drawn

const list = document.getElementById("list");
const none = document.getElementById("none");
const more = document.getElementById("more");
const news = document.getElementById("news");
const filters = document.getElementById("filters");
const template = document.getElementById("pin").content;
const nothingYet = none.textContent;

let pins = new Map();
let given = {}; // the filters that pins are chosen by
let heard = null; // pins of which the stream told while the API is asked
let shown = STEP;
let drawing = false;

export async function load() {
  const since = heard = new Map();
  const wanted = filled();
  const query = new URLSearchParams({ ...wanted, partial: true, limit: shown + 1 });
  const answer = await get(`/api/pins?${query}`).catch(() => null);
  if (heard !== since) return; // it was asked again
  heard = null;
  if (answer === null) return;
  const answered = answer.map((pin) => [key(pin), received(pin)]);
  [pins, given] = [new Map([...answered, ...since]), wanted];
  draw();
}

export function keep(pin, isNew) {
  const known = pins.has(key(pin));
  const kept = { ...received(pin), isNew: isNew && !known };
  pins.set(key(pin), kept);
  heard?.set(key(pin), kept);
  if (kept.isNew && pin.first) news.textContent = `${pin.user} pinned by ${pin.rule}`;
  if (pins.size > shown + KEPT) draw();
  else redraw();
}

// Each start of the proxy numbers its pins from 1.
function key(pin) {
  return `${pin.id} ${pin.at}`;
}

function received(pin) {
  return { ...pin, received: performance.now() };
}

export function offerRules(rules) {
  const known = [...filters.rule.options].map((option) => option.value);
  for (const rule of rules) {
    if (!known.includes(rule)) filters.rule.append(element("option", rule, { value: rule }));
  }
}

export function tick() {
  for (const item of list.children) say(item, pins.get(item.dataset.key));
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
  const wanted = [...pins.values()].filter(asked).sort((one, other) => other.id - one.id);
  const items = new Map([...list.children].map((item) => [item.dataset.key, item]));
  list.replaceChildren(...wanted.slice(0, shown).map((pin) => items.get(key(pin)) || drawn(pin)));
  tick();
  pins = new Map(wanted.slice(0, shown + 1).map((pin) => [key(pin), pin]));
  more.hidden = wanted.length <= shown;
  none.hidden = wanted.length > 0;
  none.textContent = Object.keys(given).length > 0 ? "No pin is like that." : nothingYet;
}

function filled() {
  const trimmed = [...new FormData(filters)].map(([name, value]) => [name, value.trim()]);
  return Object.fromEntries(trimmed.filter(([, value]) => value));
}

function asked(pin) {
  const names = { ...pin, application: pin.application_name };
  const isPart = (name) => names[name].toLowerCase().includes((given[name] || "").toLowerCase());
  return (!given.rule || pin.rule === given.rule) && NAMES.every(isPart);
}

function drawn(pin) {
  const item = template.cloneNode(true).firstElementChild;
  const part = (name) => item.querySelector(name);
  item.dataset.key = key(pin);
  item.classList.toggle("new", pin.isNew);
  part(".rule").textContent = pin.rule;
  part(".contested").hidden = !pin.contested;
  part(".later").hidden = pin.first;
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
  load();
}

filters.addEventListener("input", narrow);
filters.addEventListener("reset", () => setTimeout(narrow));
filters.addEventListener("submit", (event) => event.preventDefault());
more.addEventListener("click", () => {
  shown += STEP;
  load();
});
