// Times of day, local or in UTC by the switch; the choice is kept in the browser.

import { byId, element, setText } from "./dom.js";

const KEY = "pinwatch-zone";
const zone = byId("zone");
const listeners = [];
let utc = localStorage.getItem(KEY) === "utc";

export function time(iso) {
  return element("time", written(new Date(iso)), { dateTime: iso });
}

// Updates a time element, or the text between two of them.
export function setTime(node, iso) {
  node.dateTime = iso;
  setText(node, written(new Date(iso)));
}

export function onZone(listener) {
  listeners.push(listener);
}

export function inUtc() {
  return utc;
}

// 14:03:22, in UTC 14:03:22Z, with the day in front if it is not today.
export function written(date, seconds = true) {
  const day = dayOf(date) === dayOf(new Date()) ? "" : `${dayOf(date)} `;
  return `${day}${clock(date, seconds)}${utc ? "Z" : ""}`;
}

export function clock(date, seconds = true) {
  return parts(date, { hour: "2-digit", minute: "2-digit", ...(seconds && { second: "2-digit" }) });
}

function dayOf(date) {
  return parts(date, { day: "numeric", month: "short" });
}

function parts(date, wanted) {
  const options = { ...wanted, hourCycle: "h23", timeZone: utc ? "UTC" : undefined };
  return new Intl.DateTimeFormat("en-GB", options).format(date);
}

function change() {
  utc = zone.querySelector(":checked").value === "utc";
  localStorage.setItem(KEY, utc ? "utc" : "local");
  for (const node of document.querySelectorAll("time")) setTime(node, node.dateTime);
  for (const listener of listeners) listener();
}

zone.querySelector(`[value="${utc ? "utc" : "local"}"]`).checked = true;
zone.addEventListener("change", change);
