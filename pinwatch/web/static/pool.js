// The pool: its counts, and a cell for each database connection.

import { duration, element } from "./format.js";

const counts = document.getElementById("counts");
const cells = document.getElementById("cells");

export function drawPool(pool) {
  counts.replaceChildren(
    count("clients", pool.clients),
    count("connections", pool.open),
    count("cap", pool.max_connections),
    count("in transaction", pool.in_transaction),
    count("pinned", pool.pinned, pool.pinned > 0),
    count("waiting", pool.waiting, pool.waiting > 0),
  );
  const several = new Set(pool.connections.map((one) => one.target)).size > 1;
  cells.replaceChildren(...pool.connections.map((one) => cell(one, several)));
}

function count(name, number, alarm = false) {
  const pair = element("div");
  pair.append(element("dt", name), element("dd", number, { className: alarm ? "alarm" : "" }));
  return pair;
}

function cell(one, several) {
  const who = one.client === null ? "" : one.application_name || one.user;
  const made = element("li", who || one.state);
  made.dataset.state = one.state;
  const by = who && ` by ${who}`;
  const rule = one.rule ? `, ${one.rule}` : "";
  const at = several ? ` at ${one.target}` : "";
  made.title = `${one.state}${by}${rule}, ${duration(one.seconds)}, ${one.user} in ${one.database}${at}`;
  made.setAttribute("aria-label", made.title);
  return made;
}
