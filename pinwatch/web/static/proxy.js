// The proxy, its targets with their health, its endpoints and its active faults.

import { byId, element, keepInStep, setText } from "./dom.js";
import { duration, number } from "./format.js";

const ROLES = { READ_WRITE: "writer", READ_ONLY: "reader" };
const SERVES = { READ_WRITE: "served by the writer", READ_ONLY: "served by the readers" };

export function drawProxy(proxy, targets, faults) {
  document.title = proxy.name === "pinwatch" ? "pinwatch" : `${proxy.name} - pinwatch`;
  setText(
    byId("about"),
    `${proxy.name}, version ${proxy.version}, profile ${proxy.profile}, up for ${duration(Math.floor(proxy.uptime))}`,
  );
  setText(byId("failovers"), proxy.failovers ? `${proxy.failovers} since the start` : "none since the start");
  rows("targets", targets, (one) => one.name, target);
  rows("endpoints", proxy.endpoints, (one) => one.name, (one) => [`${one.name}: ${one.address}, ${SERVES[one.role]}`]);
  const none = { name: "", text: "none" };
  rows("faults", faults.length ? faults : [none], (one) => one.name, (one) => one.text ?? fault(one));
}

function rows(id, items, key, write) {
  const update = (item, one) => {
    const written = [write(one)].flat();
    const text = written.map((part) => part.textContent ?? part).join("");
    if (item.textContent !== text) item.replaceChildren(...written);
  };
  keepInStep(byId(id), items, key, () => element("li"), update);
}

function target(one) {
  const state = element("span", one.state, { className: "state" });
  state.dataset.health = one.state;
  const why = one.state === "UNAVAILABLE" ? ` (${one.reason}): ${one.description}` : "";
  return [`${one.name}: ${one.address}, ${ROLES[one.role]}, `, state, why];
}

function fault(one) {
  const left = one.left === null ? "" : `, ends in ${duration(Math.ceil(one.left))}`;
  const name = element("span", one.name, { className: "active" });
  return [name, `: ${one.kind}, ${one.meaning}, took effect ${number(one.happened, "time")}${left}`];
}
