// The list of pins that match the filters, newest first: a response of the API, and the
// events received since.

import { get } from "./api.js";
import { clock, duration, element } from "./format.js";

const STEP = 100; // pins shown at first, and added by each "Show more"
const NAMES = ["user", "database", "application"]; // filters that match a part of the value
const MAX_UNDRAWN = 1000; // pins kept beyond those shown while the page is hidden

const list = document.getElementById("list");
const none = document.getElementById("none");
const more = document.getElementById("more");
const news = document.getElementById("news");
const filters = document.getElementById("filters");
const template = document.getElementById("pin").content;
const noPinsYet = none.textContent;

let pins = new Map();
let applied = {}; // the filters of the pins in the list
let arrived = null; // pins from the stream during a request to the API
let shown = STEP;
let drawing = false;

export async function load() {
  const since = arrived = new Map();
  const wanted = filled();
  const query = new URLSearchParams({ ...wanted, partial: true, limit: shown + 1 });
  const answer = await get(`/api/pins?${query}`).catch(() => null);
  if (arrived !== since) return; // a newer request is under way
  arrived = null;
  if (answer === null) return;
  const answered = answer.map((pin) => [key(pin), received(pin)]);
  [pins, applied] = [new Map([...answered, ...since]), wanted];
  draw();
}

export function keep(pin, isNew) {
  const known = pins.has(key(pin));
  const kept = { ...received(pin), isNew: isNew && !known };
  pins.set(key(pin), kept);
  arrived?.set(key(pin), kept);
  if (kept.isNew && pin.first) news.textContent = `${pin.user} pinned by ${pin.rule}`;
  if (pins.size > shown + MAX_UNDRAWN) draw();
  else redraw();
}

// After a restart of the proxy the ids begin at 1 again.
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
  for (const item of list.children) showState(item, pins.get(item.dataset.key));
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
  const wanted = [...pins.values()].filter(matches).sort((one, other) => other.id - one.id);
  const items = new Map([...list.children].map((item) => [item.dataset.key, item]));
  list.replaceChildren(...wanted.slice(0, shown).map((pin) => items.get(key(pin)) || rendered(pin)));
  tick();
  pins = new Map(wanted.slice(0, shown + 1).map((pin) => [key(pin), pin]));
  more.hidden = wanted.length <= shown;
  none.hidden = wanted.length > 0;
  none.textContent = Object.keys(applied).length > 0 ? "No pin matches the filters." : noPinsYet;
}

function filled() {
  const trimmed = [...new FormData(filters)].map(([name, value]) => [name, value.trim()]);
  return Object.fromEntries(trimmed.filter(([, value]) => value));
}

function matches(pin) {
  const names = { ...pin, application: pin.application_name };
  const isPart = (name) => names[name].toLowerCase().includes((applied[name] || "").toLowerCase());
  return (!applied.rule || pin.rule === applied.rule) && NAMES.every(isPart);
}

function rendered(pin) {
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

function showState(item, pin) {
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

function applyFilters() {
  shown = STEP;
  load();
}

filters.addEventListener("input", applyFilters);
filters.addEventListener("reset", () => setTimeout(applyFilters));
filters.addEventListener("submit", (event) => event.preventDefault());
more.addEventListener("click", () => {
  shown += STEP;
  load();
});
