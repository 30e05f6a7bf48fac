// The headlines: the present state in sentences, the most urgent first.

import { byId, copyOnClick, fromTemplate, keepInStep, linkToRule, setText } from "./dom.js";

const list = byId("headlines");
const news = byId("news");
const fixes = new WeakMap();

export function drawSummary(headlines) {
  const seen = new Map();
  const keyed = headlines.map((one) => {
    const number = (seen.get(one.kind) ?? 0) + 1;
    seen.set(one.kind, number);
    return { ...one, key: `${one.kind} ${number}` };
  });
  keepInStep(list, keyed, (one) => one.key, created, update);
  const bad = headlines.find((one) => one.kind === "unavailable");
  if (bad && news.dataset.kind !== "unavailable") news.textContent = bad.text;
  news.dataset.kind = bad ? "unavailable" : "";
}

function created(headline) {
  const item = fromTemplate("headline");
  item.dataset.kind = headline.kind;
  copyOnClick(item.querySelector("button"), () => fixes.get(item));
  if (headline.kind === "fault") item.querySelector("button").textContent = "Copy the command";
  return item;
}

function update(item, headline) {
  fixes.set(item, headline.fix);
  setText(item.querySelector(".text"), headline.text);
  setText(item.querySelector(".detail"), headline.detail ?? "");
  setText(item.querySelector(".fix p"), headline.fix ?? "");
  item.querySelector(".detail").hidden = !headline.detail;
  item.querySelector(".fix").hidden = !headline.fix;
  item.querySelector(".links").hidden = !headline.rule;
  const statement = item.querySelector(".statement");
  statement.hidden = !byId(`digest-${headline.digest_id}`);
  statement.href = `#digest-${headline.digest_id}`;
  linkToRule(item.querySelector(".about"), headline.rule);
}
