import { BOX, curveOf, curveText, pointsOf } from "/static/curve.js";
import { formats } from "/static/format.js";
import { translator } from "/static/i18n.js";
import { fingerprint, wanted } from "/static/past.js";
import { equal, ok, test } from "./check.js";

const point = (at, filled) => ({ at, filled });
const numbers = (path) => path.match(/-?[\d.]+/g).map(Number);

test("what was seen is sorted by loan, without what is not known", () => {
  const row = (id, seconds, filled) => ({ id, seen_at: new Date(seconds * 1000).toISOString(), funded_fraction: filled });
  const points = pointsOf([row(1, 1, 0.1), row(2, 1, 0.5), row(1, 2, null), row(1, 3, 0)]);
  equal([...points], [[1, [point(1000, 0.1), point(3000, 0)]], [2, [point(1000, 0.5)]]]);
});

test("below two sightings there is no curve", () => equal([curveOf([], 9), curveOf([point(1, 0.5)], 9)], [null, null]));

test("a curve goes from its lowest to its highest and ends with the fetch", () => {
  const { line, end } = curveOf([point(0, 0.2), point(50, 0.8)], 100);
  equal([line, end], [`M0 ${BOX.height}L50 0L100 0`, "M100 0h0"]);
});

test("next to nothing is drawn as a flat line in the middle", () => {
  const [, first, , second] = numbers(curveOf([point(0, 0.5), point(9, 0.5)], 9).line);
  equal([first, second], [BOX.height / 2, BOX.height / 2]);
});

test("where a loan became full there is a line at 100 %, and not where that is far or long ago", () => {
  equal([curveOf([point(0, 0.5), point(9, 1.5)], 9).goal, curveOf([point(0, 0.5), point(9, 0.7)], 9).goal, curveOf([point(0, 1), point(9, 1.1)], 9).goal],
    [`M0 ${BOX.height / 2}H${BOX.width}`, "", ""]);
});

test("a long past is thinned, its ends stay, and it stays inside its box", () => {
  const { line } = curveOf(Array.from({ length: 5000 }, (_, n) => point(n, n / 5000)), 4999);
  const places = numbers(line);
  ok(places.length < 140, `${places.length} numbers`);
  equal([places.slice(0, 2), places.slice(-2)], [[0, BOX.height], [BOX.width, 0]]);
});

test("in words a curve is its two ends", () => {
  const text = curveText([point(Date.parse("2026-01-30T13:10:00Z"), 0.12), point(Date.parse("2026-01-31T09:00:00Z"), 0.54)],
    Date.parse("2026-01-31T12:00:00Z"), translator("sv"), formats("sv"));
  equal(text.replace(/\s/g, " "), "Tecknat 12 % i går 14:10, 54 % 10:00");
});

test("of the topmost hundred those are asked for that were seen before, each once", () => {
  const loans = Array.from({ length: 120 }, (_, id) => ({ id, subscribed_per_hour: id % 2 ? 0 : null }));
  const ids = wanted(loans, new Set([1, 3]));
  equal([ids.length, ids[0], ids.at(-1)], [48, 5, 99]);
});

test("the same ids have the same fingerprint in any order, others another", () => {
  ok(fingerprint([1, 2, 30]) === fingerprint([30, 1, 2]), "order");
  ok(fingerprint([1, 2, 30]) !== fingerprint([1, 23, 0]), "ids");
});
