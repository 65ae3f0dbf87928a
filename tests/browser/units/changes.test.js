import { changesText, filledUp, formerOf, marksOf, formerText } from "/static/changes.js";
import { formats } from "/static/format.js";
import { translator } from "/static/i18n.js";
import { equal, test } from "./check.js";

const NOW = Date.parse("2026-01-31T12:00:00Z");
const SINCE = "2026-01-30T13:10:00Z";
const loan = (id, amount, subscribed) => ({ id, amount, subscribed_amount: subscribed, funded_fraction: subscribed / amount });
const more = (id, from, to) => ({ id, field: "subscribed_amount", from, to });
const told = (changes, loans = [], now = NOW) =>
  changesText(changes, marksOf(changes, loans), translator("sv"), formats("sv"), now).replace(/\s/g, " ");

test("a loan has become full when it lacked something then and lacks nothing now", () => {
  const loans = [loan(1, 100, 100), loan(2, 100, 99), loan(3, 100, 130), loan(4, 100, 100), loan(5, 100, 100)];
  const changed = [more(1, 90, 100), more(2, 90, 99), more(3, 110, 130), { id: 4, field: "title", from: "a", to: "b" }, more(5, null, 100)];
  equal([...filledUp({ since: SINCE, changed }, loans)], [1]);
});

test("a loan that seeks less than before has become full too", () => {
  equal([...filledUp({ since: SINCE, changed: [{ id: 1, field: "amount", from: 200, to: 100 }] }, [loan(1, 100, 100)])], [1]);
});

test("of new, full and changed a loan is marked with what matters most", () => {
  const changes = { since: SINCE, new: [1], changed: [more(2, 1, 100), more(3, 1, 2)] };
  equal([...marksOf(changes, [loan(1, 100, 100), loan(2, 100, 100), loan(3, 100, 2)]).entries()], [[2, "full"], [3, "changed"], [1, "new"]]);
});

test("the line says since when, and counts each loan once", () => {
  const changed = [more(1, 1, 100), more(2, 1, 2), { id: 2, field: "state", from: "a", to: "b" }];
  equal(told({ since: SINCE, new: [7, 8], gone: [9], changed }, [loan(1, 100, 100)]), "Sedan i går 14:10: 2 nya, 1 fullt, 1 borta, 1 ändrat");
});

test("the line says today's time alone, and a date from the day before yesterday on", () => {
  const on = (time) => told({ since: SINCE, new: [1] }, [], Date.parse(time));
  equal([on("2026-01-30T22:59:00Z"), on("2026-02-14T12:00:00Z")], ["Sedan 14:10: 1 nytt", "Sedan 30 jan. 14:10: 1 nytt"]);
});

test("there is no line on a first fetch, when nothing differs, or when it is not told", () => {
  equal([told({ since: null, new: [1] }), told({ since: SINCE, new: [], gone: [], changed: [] }), told(undefined)], ["", "", ""]);
});

const what = (now, changed, language = "sv") => {
  const list = Object.entries(changed).map(([field, from]) => ({ id: 1, field, from, to: now[field] }));
  return formerText(now, formerOf({ changed: list }).get(1), translator(language), formats(language)).replace(/\s/g, " ");
};

test("of what changed it is told what it was", () => {
  const now = { ...loan(1, 1000, 800), interest_rate: 9.5, risk_score: "B", state: "Öppen", closes_at: "2026-01-31T12:00:00Z" };
  equal(what(now, { state: "Kommande", interest_rate: 9 }), "Förut: ränta 9 %, status Kommande");
  equal(what(now, { risk_score: null, closes_at: "2026-01-30T12:00:00Z" }), "Förut: risk –, stänger 30 jan. 13:00");
  equal(what(now, { interest_rate: 9 }, "en"), "Before: rate 9%");
});

test("what was left is told, and how full a loan was where nothing is left", () => {
  equal(what(loan(1, 1000, 800), { subscribed_amount: 500 }), "Förut: kvar 500");
  equal(what(loan(1, 1000, 800), { amount: 1200 }), "Förut: belopp 1 200, kvar 400");
  equal(what(loan(1, 1000, 1300), { subscribed_amount: 1100 }), "Förut: tecknat 110 %");
});

test("of a text it is told that it was another, and of a loan that stood still nothing", () => {
  equal(what({ ...loan(1, 10, 1), title: "b", teaser: "c" }, { title: "a", teaser: "b" }), "Förut: annan titel, annan text");
  equal(what(loan(1, 10, 1), {}), "");
});
