// The last hour: four panels over one axis of time, and what happened in it.

import { byId, element, keepInStep, setText } from "./dom.js";
import { duration, rate } from "./format.js";
import { Panel, drawMarks, drawTicks } from "./panel.js";
import * as samples from "./samples.js";
import { time, written } from "./times.js";

const MIN_SPAN = 60; // seconds
const SHOWN_MARKS = 6;
const RULES = [3, 4, 5, 2]; // series of these lines
const section = byId("history");
const spans = byId("span");
let marks = [];
let range = [0, 1];
let ownRules = []; // with the same line as long as the page is open

const behind = (plot) => drawMarks(plot, marks, range);
const count = (value) => (Number.isInteger(value) ? value.toLocaleString("en") : "");
const panels = [
  new Panel({
    title: "Clients and connections",
    format: count,
    behind,
    moved: showMoment,
    lines: () => [
      { label: "clients", series: 1, value: (one) => one.clients },
      { label: "connections", series: 2, value: (one) => one.connections },
      { label: "waiting", series: 4, dashed: true, value: (one) => one.waiting },
    ],
  }),
  new Panel({
    title: "Pinned connections",
    format: count,
    behind,
    lines: pinnedLines,
    ticks: drawTicks,
  }),
  new Panel({
    title: "Wait for a connection",
    format: duration,
    behind,
    lines: () => [
      { label: "p50", series: 1, value: (one) => one.p50 },
      { label: "p99", series: 4, dashed: true, value: (one) => one.p99 },
    ],
  }),
  new Panel({
    title: "Statements a second",
    format: rate,
    behind,
    last: true,
    lines: () => [{ label: "statements", series: 1, value: (one) => one.statements }],
  }),
];
byId("panels").append(...panels.map((panel) => panel.figure));

export { query, forget } from "./samples.js";

export function drawHistory(history) {
  samples.keep(history.resolutions);
  marks = history.marks.map((one) => ({ ...one, began: seconds(one.began), ended: one.ended && seconds(one.ended), iso: one }));
  drawPanels();
  listMarks();
}

function drawPanels() {
  const all = samples.all();
  const there = all.length > 0;
  section.classList.toggle("waiting", !there);
  byId("no-history").hidden = there;
  if (!there) return;
  const end = all.at(-1).at;
  const span = Number(spans.querySelector(":checked").value);
  range = [Math.min(Math.max(all[0].at, end - span), end - MIN_SPAN), end];
  for (const panel of panels) panel.draw(all, range);
}

function pinnedLines() {
  const rules = samples.rules();
  ownRules = [...new Set([...ownRules, ...rules])].slice(0, RULES.length);
  const others = rules.filter((rule) => !ownRules.includes(rule));
  const lines = ownRules.map((rule, n) => ({ label: rule, series: RULES[n], dashed: n % 2 === 1, rest: 0, value: (one) => one.pinned[rule] ?? 0 }));
  const sum = (one) => others.reduce((all, rule) => all + (one.pinned[rule] ?? 0), 0);
  if (others.length) lines.push({ label: "other rules", series: 1, dashed: true, rest: 0, value: sum });
  const total = (visible) => visible.reduce((all, one) => all + one.pins, 0);
  return [...lines, { label: "new pins", series: 6, ticks: true, total }];
}

function showMoment(sample) {
  const text = sample ? `Values at ${written(new Date(sample.at * 1000))}` : "";
  setText(byId("moment"), text);
}

function listMarks() {
  const newest = [...marks].reverse().slice(0, SHOWN_MARKS);
  keepInStep(byId("marks"), newest, (one) => `${one.kind} ${one.subject} ${one.iso.began}`, createdMark, updateMark);
}

function createdMark({ kind, text, iso }) {
  const sign = element("span", null, { className: "sign" });
  sign.dataset.kind = kind;
  const when = element("span", time(kind === "failover" ? iso.ended : iso.began), { className: "when" });
  return element("li", [sign, when, element("span", text, { className: "text" })]);
}

function updateMark(item, { kind, began, ended, iso }) {
  const when = item.querySelector(".when");
  const state = ended ? `, ${duration(ended - began)}` : ", lasting";
  if (kind === "failover" || when.dataset.ended === String(iso.ended)) return;
  when.dataset.ended = String(iso.ended);
  when.replaceChildren(time(iso.began), state);
}

function seconds(iso) {
  return Date.parse(iso) / 1000;
}

spans.addEventListener("change", drawPanels);
