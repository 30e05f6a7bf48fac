// Statements by the time for which they kept database connections.

import { clock, duration, element } from "./words.js";

const SHOWN = 50;
const section = document.getElementById("digests");
const rows = document.getElementById("digest-rows");

export function drawDigests(digests) {
  section.hidden = digests.length === 0;
  rows.replaceChildren(...digests.slice(0, SHOWN).map(row));
}

function row(one) {
  const made = element("tr");
  const statement = element("td");
  statement.append(element("code", one.digest || one.sql));
  made.append(
    statement,
    element("td", [one.rule, ...marks(one)].join(", ")),
    number(one.count),
    number(duration(one.pinned_seconds)),
    number(one.peak_connections),
    element("td", clock(one.last_seen)),
  );
  made.title = one.advice;
  return made;
}

function marks(one) {
  return [...(one.contested ? ["contested"] : []), ...(one.later === one.count ? ["later"] : [])];
}

function number(value) {
  return element("td", value, { className: "number" });
}
