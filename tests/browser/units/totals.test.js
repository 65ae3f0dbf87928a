import { grouped, totals } from "/static/totals.js";
import { equal, test } from "./check.js";

test("sums are by currency, the one with most loans first", () => {
  const found = totals([
    { currency: "DKK", amount: 100, subscribed_amount: 40, interest_rate: 8 },
    { currency: "SEK", amount: 100, subscribed_amount: 120, interest_rate: 10 },
    { currency: "SEK", amount: 300, subscribed_amount: 100, interest_rate: 6 },
  ]);
  equal(found, [
    { currency: "SEK", loans: 2, sought: 400, left: 200, rate: 7 },
    { currency: "DKK", loans: 1, sought: 100, left: 60, rate: 8 },
  ]);
});

test("a loan without a rate does not pull the mean down", () => {
  equal(totals([{ currency: "SEK", amount: 100, interest_rate: 8 }, { currency: "SEK", amount: 900, interest_rate: null }])[0].rate, 8);
});

test("without any rate the mean is unknown", () => {
  equal(totals([{ currency: "SEK", amount: 5, interest_rate: null }])[0].rate, null);
});

test("no loans, no cards", () => equal(totals([]), []));

test("groups keep the order of first sight", () => equal([...grouped(["b1", "a1", "b2"], (word) => word[0])], [["b", ["b1", "b2"]], ["a", ["a1"]]]));
