import { ariaSort, leftOf, nextOrder, SORT_KEYS, sortLoans } from "/static/sort.js";
import { equal, test } from "./check.js";

const titles = (loans) => loans.map((loan) => loan.title);
const by = (key, descending = false) => ({ key, descending });

test("without an order the listing's own stands, in a list of its own", () => {
  const loans = [{ title: "b" }, { title: "a" }];
  const sorted = sortLoans(loans, null, "sv");
  equal([titles(sorted), sorted === loans], [["b", "a"], false]);
});

test("titles sort as Swedish does: å ä ö after z", () => {
  const loans = ["Östersund", "Åre", "Zinkgruvan", "Arboga"].map((title) => ({ title }));
  equal(titles(sortLoans(loans, by("title"), "sv")), ["Arboga", "Zinkgruvan", "Åre", "Östersund"]);
});

test("numbers sort as numbers, both ways", () => {
  const loans = [{ title: "a", amount: 900 }, { title: "b", amount: 10000 }, { title: "c", amount: 2000 }];
  equal(titles(sortLoans(loans, by("amount"), "sv")), ["a", "c", "b"]);
  equal(titles(sortLoans(loans, by("amount", true), "sv")), ["b", "c", "a"]);
});

test("what is unknown comes last either way", () => {
  const loans = [{ title: "a", interest_rate: null }, { title: "b", interest_rate: 9 }, { title: "c" }, { title: "d", interest_rate: 7 }];
  equal(titles(sortLoans(loans, by("rate"), "sv")), ["d", "b", "a", "c"]);
  equal(titles(sortLoans(loans, by("rate", true), "sv")), ["b", "d", "a", "c"]);
});

test("equals keep the listing's order, also downwards", () => {
  const loans = ["x", "y", "z"].map((title) => ({ title, duration_months: 12 }));
  equal(titles(sortLoans(loans, by("months", true), "sv")), ["x", "y", "z"]);
});

test("times sort as moments whatever their offset", () => {
  const loans = [
    { title: "late", closes_at: "2026-01-31T12:00:00+01:00" },
    { title: "early", closes_at: "2026-01-31T10:30:00Z" },
    { title: "none" },
  ];
  equal(titles(sortLoans(loans, by("closes"), "sv")), ["early", "late", "none"]);
});

test("every column can be sorted by", () => {
  const keys = ["title", "amount", "rate", "months", "risk", "filled", "left", "min", "closes", "state", "bid"];
  equal(Object.keys(SORT_KEYS), keys);
});

test("what is left is never below nothing, and unknown where the subscribed sum is", () => {
  equal([leftOf({ amount: 5, subscribed_amount: 7 }), leftOf({ amount: 5, subscribed_amount: 2 }), leftOf({ amount: 5 })], [0, 3, null]);
});

test("a header goes up, down, and back to the listing's order", () => {
  const up = nextOrder(null, "rate");
  const down = nextOrder(up, "rate");
  equal([up, down, nextOrder(down, "rate")], [by("rate"), by("rate", true), null]);
  equal(nextOrder(down, "amount"), by("amount"));
});

test("aria-sort tells the sorted header alone", () => {
  equal([ariaSort(by("rate"), "rate"), ariaSort(by("rate", true), "rate"), ariaSort(by("rate"), "amount"), ariaSort(null, "rate")],
    ["ascending", "descending", "none", "none"]);
});
