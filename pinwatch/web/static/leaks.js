// Leaks: state that statements left for the next client. Grouped by statement, kind and
// path, the latest first.

import { get, without } from "./api.js";
import { byId, copyOnClick, element, fromTemplate, keepInStep, setText } from "./dom.js";
import { number } from "./format.js";
import { time } from "./times.js";

const MOST = 200; // leaks that are shown

const section = byId("leaks");
const list = byId("leak-groups");
const news = byId("news");
const latest = new WeakMap(); // of a group: its latest leak

let drawn = "";

// Draws the leaks again if there are new ones; newest is a list of at most one.
export async function drawLeaks(proxy, [newest]) {
  section.hidden = proxy.hidden_state === "off" && !newest;
  const key = newest ? `${proxy.started_at} ${newest.id}` : "";
  if (key === drawn) return;
  const leaks = await get(`/api/leaks?limit=${MOST + 1}`).catch(without(null));
  if (!leaks) return;
  if (drawn && newest) news.textContent = `${newest.function} left ${newest.state}`;
  drawn = key;
  byId("no-leaks").hidden = leaks.length > 0;
  byId("older-leaks").hidden = leaks.length <= MOST;
  keepInStep(list, grouped(leaks.slice(0, MOST)), (group) => group.key, created, update);
}

// Returns groups of leaks, each with the newest leak first.
function grouped(leaks) {
  const groups = new Map();
  for (const leak of leaks) {
    const key = JSON.stringify([leak.digest, leak.kind, leak.function, leak.path || leak.name]);
    groups.set(key, [...(groups.get(key) ?? []), leak]);
  }
  return [...groups].map(([key, members]) => ({ key, members }));
}

function created() {
  const item = fromTemplate("leak");
  copyOnClick(item.querySelector(".advice button"), () => latest.get(item).advice);
  return item;
}

function update(item, { members }) {
  const part = (name) => item.querySelector(name);
  const [leak] = members;
  latest.set(item, leak);
  setText(part(".left"), leak.state);
  setText(part(".count"), members.length > 1 ? number(members.length, "time") : "");
  part(".facts").replaceChildren(...facts(members));
  part(".source").hidden = !leak.source;
  setText(part(".source"), leak.source);
  setText(part(".sql code"), leak.statement);
  setText(part(".path"), leak.path || leak.function);
  setText(part(".advice p"), leak.advice);
  setText(part(".unfold summary"), members.length === 1 ? "Show the leak" : `Show the ${number(members.length, "leak")}`);
  keepInStep(part(".singles"), members, leakKey, () => element("li"), showLeak);
}

function facts(members) {
  const [last, first] = [members[0], members.at(-1)];
  return [
    element("span", ["last ", time(last.at)]),
    ...(members.length > 1 ? [element("span", ["first ", time(first.at)])] : []),
    ...(last.reset ? [element("span", "the connection was reset, unlike behind RDS Proxy")] : []),
  ];
}

// After a restart of the proxy the ids begin at 1 again.
export function leakKey(leak) {
  return `${leak.id} ${leak.at}`;
}

// Writes one leak.
export function showLeak(row, leak) {
  if (row.hasChildNodes()) return;
  const application = leak.application_name && `, ${leak.application_name}`;
  row.append(element("p", [
    time(leak.at),
    element("span", leak.state),
    element("span", `${leak.user} in ${leak.database}${application}`, { className: "who" }),
    element("span", ["client ", element("a", String(leak.client), { href: `#client=${leak.client}` }), `, connection ${leak.connection}`]),
    ...(leak.reset ? [element("span", "reset")] : []),
  ], { className: "facts" }));
}
