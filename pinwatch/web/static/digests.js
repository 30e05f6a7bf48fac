// The table of statements, sorted by the time for which they kept connections.

import { clock, duration, element } from "./format.js";

const MAX_ROWS = 50;
const section = document.getElementById("digests");
const rows = document.getElementById("digest-rows");

export function drawDigests(digests) {
  section.hidden = digests.length === 0;
  rows.replaceChildren(...digests.slice(0, MAX_ROWS).map(row));
}

function row(digest) {
  const tr = element("tr");
  const statement = element("td");
  statement.append(element("code", digest.digest || digest.sql));
  tr.append(
    statement,
    element("td", [digest.rule, ...marks(digest)].join(", ")),
    number(digest.count),
    number(duration(digest.pinned_seconds)),
    number(digest.peak_connections),
    element("td", clock(digest.last_seen)),
  );
  tr.title = digest.advice;
  return tr;
}

function marks(digest) {
  return [...(digest.contested ? ["contested"] : []), ...(digest.later === digest.count ? ["later"] : [])];
}

function number(value) {
  return element("td", value, { className: "number" });
}
