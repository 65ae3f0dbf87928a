import { choices, edges, filterLoans, isFiltering, isFull, isOpen, NO_FILTERS, toggled } from "/static/filter.js";
import { equal, ok, test } from "./check.js";

const NOW = Date.parse("2026-01-31T12:00:00Z");
const LOANS = [
  { id: 1, title: "Radhus i Växjö", country: "SE", risk_score: "A", interest_rate: 8, duration_months: 12, funded_fraction: 1, teaser: "#1 | Lågt", state: "Tilldelning" },
  { id: 2, title: "Rækkehuse i Aarhus", country: "DK", risk_score: "B", interest_rate: 9.5, duration_months: 18, funded_fraction: 0.4, closes_at: "2026-02-01T00:00:00Z" },
  { id: 3, title: "Villa i Täby", country: "SE", risk_score: null, interest_rate: null, duration_months: null, funded_fraction: null, closes_at: "2026-01-30T00:00:00Z" },
];
const ids = (changes) => filterLoans(LOANS, { ...NO_FILTERS, ...changes }, NOW).map((loan) => loan.id);

test("no filter leaves all in", () => equal(ids({}), [1, 2, 3]));

test("search looks at title, teaser and state, without regard to case, for every word", () => {
  equal(ids({ q: "RADHUS" }), [1]);
  equal(ids({ q: "i växjö" }), [1]);
  equal(ids({ q: "lågt tilldelning" }), [1]);
  equal(ids({ q: "radhus aarhus" }), []);
});

test("search finds a loan by its whole id", () => {
  equal([ids({ q: "#2" }), ids({ q: "2" })], [[2], [2]]);
});

test("countries and risks are any of those chosen", () => {
  equal([ids({ countries: ["SE"] }), ids({ countries: ["SE", "DK"] }), ids({ risks: ["A", "B"] })], [[1, 3], [1, 2, 3], [1, 2]]);
});

test("ranges hold their edges and leave out what is unknown", () => {
  equal([ids({ rate: [8, null] }), ids({ rate: [null, 8] }), ids({ rate: [8, 9.5] })], [[1, 2], [1], [1, 2]]);
  equal([ids({ months: [13, null] }), ids({ months: [null, 13] })], [[2], [1]]);
});

test("open is neither full nor closed", () => {
  equal([ids({ openness: "open" }), ids({ openness: "full" })], [[2], [1]]);
  ok(isFull({ funded_fraction: 1.02 }) && !isFull({ funded_fraction: null }), "full");
  ok(isOpen({ funded_fraction: null }, NOW), "a loan of which nothing is known counts as open");
});

test("filters narrow each other", () => equal(ids({ countries: ["SE"], openness: "full", q: "radhus" }), [1]));

test("whether anything is left out", () => {
  ok(!isFiltering(NO_FILTERS) && !isFiltering({ ...NO_FILTERS, q: "  " }), "nothing");
  for (const one of [{ q: "a" }, { countries: ["SE"] }, { risks: ["A"] }, { rate: [0, null] }, { months: [null, 6] }, { openness: "full" }]) {
    ok(isFiltering({ ...NO_FILTERS, ...one }), JSON.stringify(one));
  }
});

test("the choices are those that the loans offer", () => {
  equal(choices(LOANS), { countries: ["DK", "SE"], risks: ["A", "B"] });
  equal([edges(LOANS, "interest_rate"), edges([], "interest_rate")], [[8, 9.5], [null, null]]);
});

test("a choice is put in and taken out", () => equal([toggled(["B"], "A"), toggled(["A", "B"], "A")], [["A", "B"], ["B"]]));
