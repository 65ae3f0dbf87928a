/** Draws the charts and shows what a dot or a bar stands for, by mouse and by keyboard. */
import { byId, make, setAttribute, setText, shape } from "./dom.js";
import { isFull } from "./filter.js";
import { ENOUGH } from "./filters-view.js";
import { barsPlot, boxesPath, columnsPlot, hit, moved, readingOrder, risksOf, scatterPlot } from "./plots.js";
import { riskClass } from "./table.js";

const label = (x, y, text, className = "") => shape("text", { x, y, class: className }, text);
const line = (x1, x2, y, className) => shape("line", { x1, x2, y1: y, y2: y, class: className });

function drawScatter(loans, size, { t, f }) {
  const { points, xTicks, yTicks } = scatterPlot(loans, size);
  const bottom = size.height - 26;
  const parts = [label(0, 11, t("axis_rate")), label(size.width, size.height - 4, t("axis_months"), "end")];
  for (const { at, value } of yTicks) parts.push(line(36, size.width, at, "grid"), label(30, at + 4, f.number(value), "end"));
  for (const { at, value } of xTicks) parts.push(label(at, bottom, f.number(value), "middle"));
  for (const { x, y, r, loan } of points) {
    parts.push(shape("circle", { cx: x, cy: y, r, class: riskClass(loan.risk_score) }));
  }
  return { points, parts };
}

function drawColumns(loans, size, { t, f }) {
  const { points, yTicks, goal, base } = columnsPlot(loans, size);
  const parts = [label(0, 11, t("axis_filled")), label(size.width, size.height - 4, t("axis_loans"), "end")];
  for (const { at, value } of yTicks) parts.push(label(30, at + 4, f.whole(value * 100), "end"));
  parts.push(shape("path", { d: boxesPath(points), class: "bar" }));
  parts.push(line(36, size.width, goal, "goal"), line(36, size.width, base, "grid"));
  return { points, parts };
}

function drawBars(loans, size, { t, f }) {
  const { points, panels, risks } = barsPlot(loans, size);
  const parts = panels.map(({ currency, x }) => label(x, 11, t("axis_millions", { currency })));
  for (const { value, at } of risks) parts.push(label(0, at + 4, value || f.none));
  for (const { x, y, width, height, risk, sum } of points) {
    parts.push(shape("rect", { x, y, width, height, rx: 2, class: riskClass(risk) }));
    parts.push(label(x + width + 6, y + height / 2 + 4, f.millions(sum), "value"));
  }
  return { points, parts };
}

const tellLoan = ({ loan }, { t, f }) =>
  [
    loan.title,
    [f.rate(loan.interest_rate), `${f.whole(loan.duration_months)} ${t("col_months").toLowerCase()}`,
      loan.risk_score ? t("risk_class", { risk: loan.risk_score }) : t("risk_unknown")].join(" · "),
    `${f.money(loan.amount, loan.currency)} · ${t("col_filled").toLowerCase()} ${f.filled(loan.funded_fraction)}`,
  ].join("\n");

const tellBar = ({ risk, currency, sum, count }, { t, f }) =>
  [risk ? t("risk_class", { risk }) : t("risk_unknown"), f.money(sum, currency), t("loans", { n: f.whole(count), count })]
    .join("\n");

/** One chart: a figure with a plot to point at, and a tip. */
function createChart(id, draw, tell) {
  const figure = byId(id);
  const plot = figure.querySelector(".plot");
  const svg = figure.querySelector("svg");
  const tip = figure.querySelector(".tip");
  const lit = shape("rect", { class: "lit", rx: 2 });
  let [size, drawn, points, order, current, context] = [null, {}, [], [], -1, null];

  function show(n, spoken) {
    current = n;
    tip.hidden = n < 0;
    if (n < 0) return lit.remove();
    const { x, y, r = 0, width = 2 * r, height = 2 * r } = points[n];
    const [left, top] = [x - r, y - r];
    const box = { x: left - 1, y: top - 1, width: width + 2, height: height + 2, rx: r ? r + 1 : 2 };
    for (const [name, value] of Object.entries(box)) lit.setAttribute(name, String(value));
    svg.append(lit);
    tip.setAttribute("aria-live", spoken ? "polite" : "off");
    setText(tip, tell(points[n], context));
    place(left + width / 2, top, height);
    return undefined;
  }

  function place(x, top, height) {
    const spare = figure.clientWidth - tip.offsetWidth - 8;
    const above = plot.offsetTop + top - tip.offsetHeight - 8;
    tip.style.left = `${Math.max(8, Math.min(spare, plot.offsetLeft + x - tip.offsetWidth / 2))}px`;
    tip.style.top = `${above > 0 ? above : plot.offsetTop + top + height + 8}px`;
  }

  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    show(hit(points, event.clientX - box.left, event.clientY - box.top), false);
  });
  svg.addEventListener("pointerleave", () => show(-1, false));
  plot.addEventListener("blur", () => show(-1, false));
  plot.addEventListener("keydown", (event) => {
    if (event.key === "Escape") show(-1, false);
    const next = moved(order, current, event.key);
    if (next === null) return;
    event.preventDefault();
    show(next, true);
  });
  new ResizeObserver(([entry]) => {
    size = { width: entry.contentRect.width, height: entry.contentRect.height };
    if (context && size.width) redraw();
  }).observe(plot);

  function redraw() {
    const { points: places, parts } = draw(context.shown, size, context);
    points = places;
    order = readingOrder(points);
    svg.replaceChildren(...parts);
    show(-1, false);
  }

  return (view) => {
    context = view;
    if (!size?.width || (drawn.shown === view.shown && drawn.f === view.f)) return;
    drawn = { shown: view.shown, f: view.f };
    redraw();
  };
}

function writeTexts({ shown, t, f }) {
  const rates = shown.map((loan) => loan.interest_rate).filter((rate) => rate !== null && rate !== undefined);
  const range = { low: f.rate(Math.min(...rates)), high: f.rate(Math.max(...rates)) };
  setText(byId("scatter-text"), t("chart_scatter_text", { n: f.whole(rates.length), count: rates.length, ...range }));
  const full = shown.filter(isFull).length;
  setText(byId("columns-text"), t("chart_columns_text", { full: f.whole(full), n: f.whole(shown.length), count: full }));
  const { points } = barsPlot(shown, { width: 300, height: 100 });
  const tops = new Map();
  for (const point of points) if (!(tops.get(point.currency)?.sum > point.sum)) tops.set(point.currency, point);
  const parts = [...tops.values()].map(({ risk, currency }) => t("chart_bars_part", { risk: risk || f.none, currency }));
  setText(byId("bars-text"), t("chart_bars_text", { top: parts.join(", ") }));
}

function writeLegend({ shown, t }) {
  const items = risksOf(shown).map((risk) => {
    const item = make("span");
    item.append(make("i", "", riskClass(risk)), risk || t("risk_unknown"));
    return item;
  });
  byId("legend").replaceChildren(...items);
}

/** @returns {{update: (view: {loans: any[], shown: any[], t: any, f: any}) => void}} */
export function createCharts() {
  const charts = [
    createChart("chart-scatter", drawScatter, tellLoan),
    createChart("chart-columns", drawColumns, tellLoan),
    createChart("chart-bars", drawBars, tellBar),
  ];
  let drawn = {};

  function update(view) {
    byId("charts").hidden = view.shown.length < ENOUGH;
    if (view.shown.length < ENOUGH) return;
    for (const chart of charts) chart(view);
    if (view.shown === drawn.shown && view.f === drawn.f) return;
    drawn = { shown: view.shown, f: view.f };
    writeTexts(view);
    writeLegend(view);
    for (const plot of document.querySelectorAll(".plot")) setAttribute(plot, "data-loans", view.shown.length);
  }

  return { update };
}
