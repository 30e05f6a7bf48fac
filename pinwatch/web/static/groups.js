// Pins by statement and rule, the latest first. Each group unfolds to its single pins.

import { get, without } from "./api.js";
import { byId, copyOnClick, element, fromTemplate, keepInStep, linkToRule, setText } from "./dom.js";
import { duration, number } from "./format.js";
import { time } from "./times.js";

const STEP = 50; // groups shown at first, and added by each "Show more"
const SINGLES = 20; // pins of a group, likewise
const INTERVAL = 500; // milliseconds between two requests for the groups
const REFRESH = 3000; // milliseconds after which durations are read again

const list = byId("groups");
const none = byId("none");
const more = byId("more");
const filters = byId("filters");
const noPinsYet = none.textContent;
const singles = new WeakMap(); // of a group: the number of pins that are shown
const groups = new WeakMap(); // of a group: its digest by the last answer

let shown = STEP;
let first = true;
let loading = false;
let again = false;
let loaded = 0;

// Reads the groups, at once or when the request under way has ended.
export async function load() {
  again = true;
  if (loading) return;
  loading = true;
  while (again) {
    again = false;
    await read().catch(without(null)).catch(reportError);
    await new Promise((go) => setTimeout(go, INTERVAL));
  }
  loading = false;
}

export function refresh() {
  if (performance.now() - loaded > REFRESH) load();
}

async function read() {
  const wanted = filled();
  const query = new URLSearchParams({ ...wanted, order: "latest", limit: shown + 1 });
  const found = await get(`/api/digests?${query}`);
  loaded = performance.now();
  more.hidden = found.length <= shown;
  none.hidden = found.length > 0;
  setText(none, Object.keys(wanted).length > 1 ? "No pin matches the filters." : noPinsYet);
  offerRules(found.map((group) => group.rule));
  keepInStep(list, found.slice(0, shown), (group) => group.id, created, update);
  first = false;
  const open = [...list.children].filter((item) => item.querySelector(".unfold").open);
  await Promise.all(open.map(readSingles));
}

function filled() {
  const trimmed = [...new FormData(filters)].map(([name, value]) => [name, value.trim()]);
  return { partial: true, ...Object.fromEntries(trimmed.filter(([, value]) => value)) };
}

function offerRules(rules) {
  const known = [...filters.rule.options].map((option) => option.value);
  for (const rule of new Set(rules)) {
    if (!known.includes(rule)) filters.rule.append(element("option", rule, { value: rule }));
  }
}

function created(group) {
  const item = fromTemplate("group");
  const part = (name) => item.querySelector(name);
  item.id = `digest-${group.id}`;
  item.classList.toggle("new", !first);
  part(".rule").textContent = group.rule;
  part(".rule").href = `/rules/${group.rule}`;
  linkToRule(part(".about"), group.rule);
  part(".readings p").textContent = group.contested;
  copyOnClick(part(".advice button"), () => groups.get(item).advice);
  part(".unfold").addEventListener("toggle", () => part(".unfold").open && readSingles(item));
  part(".further").addEventListener("click", () => {
    singles.set(item, singles.get(item) + SINGLES);
    readSingles(item);
  });
  singles.set(item, SINGLES);
  return item;
}

function update(item, group) {
  const part = (name) => item.querySelector(name);
  const before = groups.get(item);
  groups.set(item, group);
  setText(part(".count"), number(group.count, "pin"));
  setText(part(".running"), group.connections ? `${number(group.connections, "connection")} pinned now` : "");
  part(".contested").hidden = !group.contested;
  part(".readings").hidden = !group.contested;
  part(".later").hidden = group.later < group.count;
  setText(part(".explained"), group.later === group.count ? "Later: the sessions were pinned already. RDS Proxy neither logs nor counts these." : "");
  part(".facts").replaceChildren(...facts(group));
  setText(part(".advice p"), group.advice);
  setText(part(".unfold summary"), group.count === 1 ? "Show the pin" : `Show the ${number(group.count, "pin")}`);
  if (before?.sql !== group.sql) {
    part(".sql code").replaceChildren(...marked(group.sql, ...group.trigger));
    part(".tags").replaceChildren(...tags(group));
  }
}

function facts(group) {
  const peak = group.peak_connections > 1 ? [element("span", `at most ${group.peak_connections} connections at a time`)] : [];
  return [
    element("span", ["last ", time(group.last_seen)]),
    ...(group.count > 1 ? [element("span", ["first ", time(group.first_seen)])] : []),
    element("span", `pinned for ${duration(group.pinned_seconds)}${group.count > 1 ? " in all" : ""}`),
    ...peak,
  ];
}

function tags({ source, tags }) {
  const place = source ? [element("span", source, { className: "source" })] : [];
  const others = Object.entries(tags).filter(([, value]) => !source.includes(value));
  return [...place, ...others.map(([key, value]) => element("span", `${key}: ${value}`))];
}

function marked(sql, start, end) {
  const [begin, stop] = [[...sql].slice(0, start).join(""), [...sql].slice(0, end).join("")];
  const trigger = element("mark", stop.slice(begin.length));
  return [begin, ...(trigger.textContent ? [trigger] : []), sql.slice(stop.length)];
}

async function readSingles(item) {
  const group = groups.get(item);
  const most = singles.get(item);
  const query = new URLSearchParams({ ...filled(), digest_id: group.id, limit: most + 1 });
  const pins = await get(`/api/pins?${query}`).catch(without(null));
  if (!pins) return;
  const part = item.querySelector(".singles");
  keepInStep(part, pins.slice(0, most), key, () => element("li"), (row, pin) => showSingle(row, pin, group));
  item.querySelector(".further").hidden = pins.length <= most;
}

// After a restart of the proxy the ids begin at 1 again.
function key(pin) {
  return `${pin.id} ${pin.at}`;
}

// Writes a pin of a group; without a group it is one of a session that names its client.
export function showSingle(row, pin, group) {
  const isSame = pin.sql === group?.sql;
  const state = pin.until === null ? "pinned" : "was pinned";
  const text = `${state} for ${duration(pin.pinned_seconds)}`;
  if (row.dataset.text === `${text} ${isSame}`) return;
  row.dataset.text = `${text} ${isSame}`;
  const application = pin.application_name && `, ${pin.application_name}`;
  const facts = [
    time(pin.at),
    element("span", text, { className: pin.until === null ? "running" : "" }),
    element("span", `${pin.user} in ${pin.database}${application}`, { className: "who" }),
    ...(group ? [element("span", ["client ", element("a", String(pin.client), { href: `#client=${pin.client}` }), `, connection ${pin.connection}`])] : []),
    ...(pin.source && pin.source !== group?.source ? [element("span", pin.source, { className: "source" })] : []),
    ...(pin.first ? [] : [element("span", "later", { className: "later" })]),
  ];
  const sql = isSame ? [] : [element("code", pin.sql)];
  row.replaceChildren(element("p", facts, { className: "facts" }), ...sql);
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
