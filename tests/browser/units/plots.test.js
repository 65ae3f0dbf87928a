import { barsPlot, boxesPath, columnsPlot, hit, moved, readingOrder, scatterPlot } from "/static/plots.js";
import { linear, ticks } from "/static/scales.js";
import { equal, ok, test } from "./check.js";

const SIZE = { width: 600, height: 300 };
const loan = (interest_rate, duration_months, more = {}) => ({ interest_rate, duration_months, amount: 100, risk_score: "A", currency: "SEK", funded_fraction: 0.5, ...more });

test("a scale is a straight line, and flat where the domain is a point", () => {
  equal([linear([0, 10], [0, 100])(5), linear([0, 10], [100, 0])(2), linear([3, 3], [7, 9])(3)], [50, 80, 7]);
});

test("ticks are round and enclose what they are for", () => {
  equal([ticks(7.5, 12, 5), ticks(0, 1, 4), ticks(3, 28, 5)], [[7, 8, 9, 10, 11, 12], [0, 0.25, 0.5, 0.75, 1], [0, 5, 10, 15, 20, 25, 30]]);
  const one = ticks(9, 9, 5);
  ok(one[0] <= 9 && one.at(-1) > 9, "a single value has room");
});

test("a longer loan is further right, a higher rate further up, a larger amount a larger dot", () => {
  const [large, small] = scatterPlot([loan(8, 6), loan(12, 24, { amount: 400 })], SIZE).points;
  ok(large.x > small.x && large.y < small.y && large.r > small.r, "places");
});

test("dots stay inside their plot", () => {
  for (const { x, y, r } of scatterPlot([loan(8, 6), loan(12, 24)], SIZE).points) {
    ok(x - r >= 0 && x + r <= SIZE.width && y - r >= 0 && y + r <= SIZE.height, `${x} ${y} ${r}`);
  }
});

test("a loan without a rate or a length is in no scatter, and none at all is no error", () => {
  equal(scatterPlot([loan(null, 6), loan(8, null)], SIZE), { points: [], xTicks: [], yTicks: [] });
});

test("columns stand from the fullest to the emptiest, above 100 % only a little", () => {
  const { points, goal, base } = columnsPlot([loan(8, 6, { funded_fraction: 0.2 }), loan(8, 6, { funded_fraction: 9 })], SIZE);
  ok(points[0].x < points[1].x && points[0].y < goal && points[0].y >= 0, "the fullest");
  equal(Math.round(points[1].height), Math.round((base - goal) * 0.2));
});

test("many columns are one path", () => equal(boxesPath([{ x: 1, y: 2, width: 3, height: 4 }]), "M1 2h3v4h-3z"));

test("bars are by risk class, in a panel for each currency", () => {
  const { panels, points, risks } = barsPlot([loan(8, 6), loan(8, 6), loan(8, 6, { currency: "DKK", risk_score: null, amount: 7 })], SIZE);
  equal(panels.map(({ currency }) => currency), ["SEK", "DKK"]);
  equal(points.map(({ risk, currency, sum, count }) => [risk, currency, sum, count]), [["A", "SEK", 200, 2], ["", "DKK", 7, 1]]);
  equal(risks.map(({ value }) => value), ["A", ""]);
});

test("the pointer finds what is below it, and nothing beside it", () => {
  const points = [{ x: 100, y: 100, r: 20 }, { x: 105, y: 100, r: 4 }];
  equal([hit(points, 105, 100), hit(points, 85, 100), hit(points, 300, 100), hit([], 1, 1)], [1, 0, -1, -1]);
});

test("the arrow keys walk from left to right and stop at the ends", () => {
  const order = readingOrder([{ x: 30, y: 0 }, { x: 10, y: 0 }, { x: 20, y: 0 }]);
  equal(order, [1, 2, 0]);
  equal([moved(order, -1, "ArrowRight"), moved(order, 1, "ArrowDown"), moved(order, 0, "ArrowRight"), moved(order, 1, "ArrowLeft")], [1, 2, 0, 1]);
  equal([moved(order, 2, "Home"), moved(order, 2, "End"), moved(order, 2, "a"), moved([], -1, "End")], [1, 0, null, null]);
});
