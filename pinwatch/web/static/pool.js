// The pool: its counts, and a cell for each database connection.

import { byId, element, keepInStep, setText } from "./dom.js";
import { duration } from "./format.js";

const counts = byId("counts");
const cells = byId("cells");

export function drawPool(pool) {
  const rows = [
    ["clients", pool.clients],
    ["connections", `${pool.open} of ${pool.max_connections}`],
    ["in transaction", pool.in_transaction],
    ["pinned", pool.pinned, pool.pinned > 0],
    ["waiting", pool.waiting, pool.waiting > 0],
  ];
  keepInStep(counts, rows, ([name]) => name, createdCount, updateCount);
  const several = new Set(pool.connections.map((one) => one.target)).size > 1;
  const key = (one) => `${one.connection} ${one.client}`;
  keepInStep(cells, pool.connections, key, createdCell, (item, one) => updateCell(item, one, several));
}

function createdCount([name]) {
  return element("div", [element("dt", name), element("dd")]);
}

function updateCount(pair, [, value, alarm = false]) {
  setText(pair.lastChild, String(value));
  pair.lastChild.classList.toggle("alarm", alarm);
}

function createdCell(one) {
  const inner = one.client === null ? element("span") : element("a", null, { href: `#client=${one.client}` });
  return element("li", inner);
}

function updateCell(item, one, several) {
  const who = one.client === null ? "" : one.application_name || one.user;
  setText(item.firstChild, who || one.state);
  item.dataset.state = one.state;
  const by = who && ` by ${who}`;
  const rule = one.rule ? `, ${one.rule}` : "";
  const at = several ? ` at ${one.target}` : "";
  item.title = `${one.state}${by}${rule}, ${duration(one.seconds)}, ${one.user} in ${one.database}${at}`;
  if (one.client !== null) item.firstChild.setAttribute("aria-label", item.title);
}
