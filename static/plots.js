/** The geometry of the charts: from loans and a size in pixels to places. Pure; `charts.js` draws. */
import { linear, ticks } from "./scales.js";
import { grouped } from "./totals.js";

/** @typedef {{width: number, height: number}} Size */
/** @typedef {{at: number, value: number}} Tick */

const known = (value) => value !== null && value !== undefined;
const marks = (values, scale) => values.map((value) => ({ value, at: scale(value) }));
const edges = (values) => values.reduce(([low, high], n) => [Math.min(low, n), Math.max(high, n)], [Infinity, -Infinity]);

/** Rate against length, the area of a dot by amount, the largest first so that none hides another.
 * @param {readonly Record<string, any>[]} loans those without a rate or a length are left out
 * @param {Size} size
 * @returns {{points: {x: number, y: number, r: number, loan: any}[], xTicks: Tick[], yTicks: Tick[]}} */
export function scatterPlot(loans, { width, height }) {
  const placed = loans.filter((loan) => known(loan.interest_rate) && known(loan.duration_months));
  if (placed.length === 0) return { points: [], xTicks: [], yTicks: [] };
  const xs = ticks(...edges(placed.map((loan) => loan.duration_months)), Math.max(2, Math.round(width / 90)));
  const ys = ticks(...edges(placed.map((loan) => loan.interest_rate)), Math.max(2, Math.round(height / 60)));
  const x = linear([xs[0], xs.at(-1)], [52, width - 14]);
  const y = linear([ys[0], ys.at(-1)], [height - 44, 26]);
  const largest = Math.max(...placed.map((loan) => loan.amount));
  const points = placed.map((loan) => ({
    x: x(loan.duration_months),
    y: y(loan.interest_rate),
    r: 3 + 11 * Math.sqrt(loan.amount / largest),
    loan,
  }));
  points.sort((a, b) => b.r - a.r);
  return { points, xTicks: marks(xs, x), yTicks: marks(ys, y) };
}

/** One column a loan, the fullest first; what is above 100 % is shown up to 125 %.
 * @param {readonly Record<string, any>[]} loans
 * @param {Size} size
 * @returns {{points: {x: number, y: number, width: number, height: number, loan: any}[], yTicks: Tick[],
 *   goal: number, base: number}} `goal`: where 100 % is */
export function columnsPlot(loans, { width, height }) {
  const ordered = [...loans].sort((a, b) => (b.funded_fraction ?? 0) - (a.funded_fraction ?? 0));
  const top = Math.min(1.25, Math.max(1, ordered[0]?.funded_fraction ?? 0));
  const y = linear([0, top], [height - 22, 22]);
  const x = linear([0, ordered.length], [40, width - 4]);
  const slot = x(1) - x(0);
  const gap = slot > 4 ? Math.min(2, slot / 4) : 0;
  const points = ordered.map((loan, n) => {
    const at = y(Math.min(top, loan.funded_fraction ?? 0));
    return { x: x(n), y: at, width: Math.min(28, slot - gap), height: y(0) - at, loan };
  });
  return { points, yTicks: marks([0, 0.5, 1], y), goal: y(1), base: y(0) };
}

/** @param {{x: number, y: number, width: number, height: number}[]} boxes
 * @returns {string} all of them as the data of one path */
export const boxesPath = (boxes) =>
  boxes.map(({ x, y, width, height }) => `M${round(x)} ${round(y)}h${round(width)}v${round(height)}h${round(-width)}z`).join("");

const round = (number) => Math.round(number * 100) / 100;

/** @param {readonly Record<string, any>[]} loans
 * @returns {string[]} their risk classes, the safest first; "" for those without one, last */
export function risksOf(loans) {
  const risks = [...new Set(loans.map((loan) => loan.risk_score ?? ""))].sort();
  return risks[0] === "" ? [...risks.slice(1), ""] : risks;
}

/** Capital by risk class: a panel for each currency, a bar for each class.
 * @param {readonly Record<string, any>[]} loans
 * @param {Size} size
 * @returns {{panels: {currency: string, x: number, width: number}[], points: {x: number, y: number, width: number,
 *   height: number, risk: string, currency: string, sum: number, count: number}[],
 *   risks: {at: number, value: string}[]}} */
export function barsPlot(loans, { width, height }) {
  const byCurrency = [...grouped(loans, (loan) => loan.currency ?? "")].sort((a, b) => b[1].length - a[1].length);
  const risks = risksOf(loans);
  const [left, head] = [24, 24];
  const step = (height - head) / Math.max(1, risks.length);
  const room = (width - left) / Math.max(1, byCurrency.length);
  const panels = byCurrency.map(([currency], n) => ({ currency, x: left + n * room, width: room - 16 }));
  const points = byCurrency.flatMap(([currency, members], n) => {
    const sums = new Map([...grouped(members, (loan) => loan.risk_score ?? "")].map(([risk, own]) => [
      risk, { sum: own.reduce((all, loan) => all + (loan.amount ?? 0), 0), count: own.length },
    ]));
    const x = linear([0, Math.max(...[...sums.values()].map(({ sum }) => sum))], [0, Math.max(8, panels[n].width - 44)]);
    return risks.filter((risk) => sums.has(risk)).map((risk) => ({
      ...sums.get(risk), risk, currency, x: panels[n].x, width: Math.max(1, x(sums.get(risk).sum)),
      y: head + risks.indexOf(risk) * step + step * 0.18, height: step * 0.64,
    }));
  });
  return { panels, points, risks: risks.map((risk, n) => ({ value: risk, at: head + (n + 0.5) * step })) };
}

/** @param {{x: number, y: number, r?: number, width?: number, height?: number}[]} points
 * @param {number} x
 * @param {number} y
 * @returns {number} the one below the pointer, the smallest dot first; -1 for none */
export function hit(points, x, y) {
  let [best, nearest] = [-1, Infinity];
  points.forEach((point, n) => {
    const away = point.r === undefined ? beside(point, x) : Math.hypot(point.x - x, point.y - y) - point.r;
    if (away < 8 && away <= nearest && (point.r !== undefined || inBand(point, y))) [best, nearest] = [n, Math.max(away, 0)];
  });
  return best;
}

const beside = ({ x, width }, at) => Math.max(x - at, at - x - width, 0);
const inBand = ({ y, height, loan }, at) => loan !== undefined || (at >= y - 6 && at <= y + height + 6);

/** In what order the arrow keys walk: from left to right, as one reads.
 * @param {{x: number, y: number, risk?: string}[]} points
 * @returns {number[]} indexes */
export const readingOrder = (points) =>
  points.map((_, n) => n).sort((a, b) => points[a].x - points[b].x || points[a].y - points[b].y);

/** @param {number[]} order
 * @param {number} current an index into the points, -1 for none
 * @param {string} key as in KeyboardEvent
 * @returns {number | null} the next index; null for a key that moves nothing */
export function moved(order, current, key) {
  const place = order.indexOf(current);
  const last = order.length - 1;
  if (last < 0) return null;
  if (key === "Home") return order[0];
  if (key === "End") return order[last];
  if (key === "ArrowRight" || key === "ArrowDown") return order[Math.min(last, place + 1)];
  if (key === "ArrowLeft" || key === "ArrowUp") return order[Math.max(0, place < 0 ? last : place - 1)];
  return null;
}
