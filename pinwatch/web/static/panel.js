// A panel: lines over the time that all panels share, with the values beside their names.

import uPlot from "./uplot/uPlot.esm.js";
import { element, setText } from "./dom.js";
import { clock, inUtc, onZone } from "./times.js";

const HEIGHT = 92; // pixels, without the times below
const TIMES = 24; // pixels
const SIDE = 52; // pixels for the values of the axis
const DASH = [6, 4];
const cursor = uPlot.sync("history");
const pixels = () => devicePixelRatio || 1;

export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

export class Panel {
  // lines(): [{ label, value: (sample) => number or null, series: 1 to 6, dashed, rest }]. A
  // line is not drawn while it stays at its value of rest.
  constructor({ title, lines, format, behind, ticks, last = false, moved = () => {} }) {
    Object.assign(this, { title, lines, format, behind, ticks, last, moved });
    this.legend = element("ul", null, { className: "legend" });
    this.holder = element("div", null, { className: "plot" });
    this.holder.setAttribute("role", "img");
    const caption = element("figcaption", [element("h3", title), this.legend]);
    this.figure = element("figure", [caption, this.holder], { className: "panel" });
    this.samples = [];
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.rebuild());
    new ResizeObserver(() => this.plot?.setSize(this.size())).observe(this.holder);
    onZone(() => this.plot?.redraw(false, true));
  }

  draw(samples, range) {
    this.samples = samples;
    this.range = range;
    const lines = this.lines();
    const shape = JSON.stringify(lines.map(({ label, series }) => [label, series]));
    if (shape !== this.shape) this.rebuild(shape, lines);
    this.plot.setData(this.data(lines), false);
    this.plot.batch(() => {
      this.plot.setScale("x", { min: range[0], max: range[1] });
      this.plot.setScale("y", { min: 0, max: this.highest() });
    });
    this.showValues();
  }

  rebuild(shape = this.shape, lines = this.lines()) {
    if (!this.range) return;
    this.plot?.destroy();
    this.shape = shape;
    this.current = lines;
    this.legend.replaceChildren(...lines.map((line) => this.entry(line)));
    this.plot = new uPlot(this.options(lines), this.data(lines), this.holder);
    this.plot.setScale("x", { min: this.range[0], max: this.range[1] });
  }

  data(lines) {
    const values = ({ value }) => this.samples.map((one) => (one.missing ? null : value(one)));
    const drawn = (line) => (line.rest === undefined ? values(line) : withoutRest(values(line), line.rest));
    return [this.samples.map((one) => one.at), ...lines.filter(({ value }) => value).map(drawn)];
  }

  visible() {
    return this.samples.filter((one) => !one.missing && one.at >= this.range[0]);
  }

  highest() {
    const values = this.visible().flatMap((one) => this.current.map(({ value }) => value?.(one) ?? 0));
    const most = values.reduce((high, value) => Math.max(high, value), 0);
    return most ? most * 1.1 : 1;
  }

  entry({ label, series, dashed, ticks }) {
    const swatch = element("span", null, { className: `swatch series-${series}` });
    swatch.classList.toggle("dashed", Boolean(dashed));
    swatch.classList.toggle("ticks", Boolean(ticks));
    return element("li", [swatch, `${label} `, element("b")]);
  }

  // The values at the cursor, or the latest ones.
  showValues() {
    const pointed = this.samples[this.plot.cursor.idx ?? this.samples.length - 1];
    const sample = pointed && !pointed.missing ? pointed : undefined;
    const texts = this.current.map(({ value, total }) => this.write(sample, value, total));
    [...this.legend.children].forEach((item, n) => setText(item.lastChild, texts[n]));
    const said = this.current.map(({ label }, n) => `${label} ${texts[n]}`).join(", ");
    this.holder.setAttribute("aria-label", `${this.title}: ${said}`);
    this.moved(this.plot.cursor.idx == null ? null : sample);
  }

  write(sample, value, total) {
    if (total) return String(total(this.visible()));
    const number = sample && value(sample);
    return number === undefined || number === null ? "-" : this.format(number);
  }

  size() {
    return { width: this.holder.clientWidth, height: HEIGHT + (this.last ? TIMES : 0) };
  }

  options(lines) {
    const quiet = { stroke: colour("--quiet"), font: "12px system-ui, sans-serif" };
    const grid = { stroke: colour("--hairline"), width: 1 };
    const times = (_plot, splits, _axis, _space, step) => splits.map((at) => clock(new Date(at * 1000), step < 60));
    return {
      ...this.size(),
      padding: [8, 30, 0, 0],
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 }, sync: { key: cursor.key, scales: ["x", null] } },
      tzDate: (at) => (inUtc() ? uPlot.tzDate(new Date(at * 1000), "Etc/UTC") : new Date(at * 1000)),
      scales: { x: { time: true, auto: false }, y: { auto: false, range: (_plot, min, max) => [min, max] } },
      axes: [
        { ...quiet, grid, ticks: { show: false }, space: 84, size: this.last ? TIMES : 4, gap: 4, values: this.last ? times : (_plot, splits) => splits.map(() => "") },
        { ...quiet, grid, ticks: { show: false }, space: 26, size: SIDE, gap: 8, values: (_plot, splits) => splits.map((value) => this.format(value)) },
      ],
      series: [{}, ...lines.filter(({ value }) => value).map((line) => this.series(line))],
      hooks: {
        drawClear: [(plot) => this.behind(plot)],
        draw: [(plot) => this.ticks?.(plot, this.visible())],
        setCursor: [() => this.showValues()],
      },
    };
  }

  series({ label, series, dashed }) {
    const stroke = colour(`--series-${series}`);
    const alone = (plot, index) => isolated(plot.data[index]);
    return { label, stroke, width: 2, dash: dashed ? DASH : undefined, points: { show: true, size: 4, stroke, fill: stroke, filter: alone } };
  }
}

function withoutRest(values, rest) {
  const rests = (n) => (values[n] ?? rest) === rest;
  return values.map((value, n) => (rests(n - 1) && rests(n) && rests(n + 1) ? null : value));
}

// Where a value stands between missing ones, no line shows it.
function isolated(values) {
  const is = (n) => values[n] !== null && values[n] !== undefined;
  return values.flatMap((_, n) => (is(n) && !is(n - 1) && !is(n + 1) ? [n] : []));
}

// Draws times in which something was wrong, across the height of the panel.
export function drawMarks(plot, marks, range) {
  const { ctx, bbox } = plot;
  const left = (seconds) => plot.valToPos(Math.min(Math.max(seconds, range[0]), range[1]), "x", true);
  const colours = { unavailable: colour("--down"), fault: colour("--fault"), failover: colour("--accent") };
  ctx.save();
  for (const { kind, began, ended } of marks) {
    const [from, to] = [began, ended ?? range[1]];
    if (to < range[0]) continue;
    ctx.fillStyle = ctx.strokeStyle = colours[kind];
    if (kind === "failover") {
      ctx.setLineDash([4 * pixels(), 3 * pixels()]);
      ctx.lineWidth = 2 * pixels();
      ctx.beginPath();
      ctx.moveTo(left(to), bbox.top);
      ctx.lineTo(left(to), bbox.top + bbox.height);
      ctx.stroke();
    } else {
      const width = Math.max(left(to) - left(from), 2 * pixels());
      ctx.globalAlpha = 0.13;
      ctx.fillRect(left(from), bbox.top, width, bbox.height);
      ctx.globalAlpha = 1;
      ctx.fillRect(left(from), bbox.top, width, 3 * pixels());
    }
  }
  ctx.restore();
}

// Draws a tick at the bottom for each sample in which sessions pinned.
export function drawTicks(plot, samples) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.fillStyle = colour("--series-6");
  for (const { at, pins } of samples) {
    if (!pins) continue;
    const height = Math.min(6 + 2 * pins, 14) * pixels();
    ctx.fillRect(plot.valToPos(at, "x", true) - pixels(), bbox.top + bbox.height - height, 2 * pixels(), height);
  }
  ctx.restore();
}
