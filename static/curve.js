/** The small curve of how a loan filled up: from what was seen of it to the data of paths. Pure. */
import { linear } from "./scales.js";

/** @typedef {{at: number, filled: number}} Point `at` in milliseconds, `filled` 1 is full */

/** The box that curves are drawn in; it is stretched to its place. */
export const BOX = Object.freeze({ width: 100, height: 24 });

/** @param {readonly Record<string, any>[]} rows of the kind `loan-history`, oldest first
 * @returns {Map<number, Point[]>} by loan; where it is not known how full one was it has no point */
export function pointsOf(rows) {
  const points = new Map();
  for (const { id, seen_at: seen, funded_fraction: filled } of rows) {
    if (filled === null || filled === undefined) continue;
    if (!points.has(id)) points.set(id, []);
    points.get(id).push({ at: Date.parse(seen), filled });
  }
  return points;
}

/** A smaller rise than this does not fill the height, so that next to nothing is not drawn as a climb. */
const LEAST_RISE = 0.1;

/** From the first sighting through the fetch that is shown, since what differs from the last would have been seen.
 * From the lowest to the highest, for the meter beside it tells how full the loan is; `goal` is where 100 % is.
 * @param {readonly Point[]} points
 * @param {number} until when that fetch ended, in milliseconds
 * @returns {{line: string, goal: string, end: string} | null} the data of paths; null below two sightings */
export function curveOf(points, until) {
  if (points.length < 2) return null;
  const last = points.at(-1);
  const all = last.at < until ? [...points, { at: until, filled: last.filled }] : points;
  const values = all.map(({ filled }) => filled);
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const spare = Math.max(0, LEAST_RISE - (most - least)) / 2;
  const [low, high] = [least - spare, most + spare];
  const x = linear([all[0].at, all.at(-1).at], [0, BOX.width]);
  const y = linear([low, high], [BOX.height, 0]);
  const places = thinned(all).map(({ at, filled }) => `${round(x(at))} ${round(y(filled))}`);
  const goal = least < 1 && high >= 1 ? `M0 ${round(y(1))}H${BOX.width}` : "";
  return { line: `M${places.join("L")}`, goal, end: `M${places.at(-1)}h0` };
}

const round = (number) => Math.round(number * 100) / 100;

/** More points than this are not to be seen in so small a place. */
const ENOUGH = 60;

function thinned(points) {
  const step = Math.max(1, points.length / ENOUGH);
  const kept = points.filter((_, n) => Math.floor(n / step) !== Math.floor((n - 1) / step));
  return kept.at(-1) === points.at(-1) ? kept : [...kept, points.at(-1)];
}

/** @param {readonly Point[]} points at least one
 * @returns {string} "Tecknat 12 % i går 14:10, 54 % 16:20" */
export function curveText(points, now, t, f) {
  const told = ({ at, filled }) => `${f.filled(filled)} ${f.lately(new Date(at).toISOString(), now)}`;
  return t("curve", { first: told(points[0]), last: told(points.at(-1)) });
}
