import { formats } from "/static/format.js";
import { translator } from "/static/i18n.js";
import { fullAt, paceText } from "/static/pace.js";
import { equal, test } from "./check.js";

const SEEN = Date.parse("2026-01-31T12:00:00Z");
const HOUR = 3_600_000;
const loan = (more = {}) => ({ amount: 1_000_000, subscribed_amount: 460_000, subscribed_per_hour: 180_000.4, currency: "SEK", closes_at: null, ...more });
const told = (more, { now = SEEN, language = "sv" } = {}) =>
  paceText(loan(more), SEEN, now, translator(language), formats(language)).replace(/\s/g, " ");

test("speed and the time until full are told in round numbers", () => {
  equal([told(), told({}, { language: "en" })], ["≈ 180 000 kr/tim, full om ca 3 tim", "≈ 180,000 kr/h, full in about 3 hrs"]);
  equal(told({ subscribed_per_hour: 187_654 }), "≈ 190 000 kr/tim, full om ca 3 tim");
});

test("the time until full runs down from the fetch, and is not told once it is over", () => {
  equal(told({}, { now: SEEN + 2 * HOUR }), "≈ 180 000 kr/tim, full om ca 60 min");
  equal(told({}, { now: SEEN + 3 * HOUR - 30_000 }), "≈ 180 000 kr/tim, full inom en minut");
  equal(told({}, { now: SEEN + 4 * HOUR }), "≈ 180 000 kr/tim");
});

test("a loan that would not be full before it closes, or within a month, has a speed alone", () => {
  equal(told({ closes_at: "2026-01-31T14:00:00Z" }), "≈ 180 000 kr/tim");
  equal(told({ subscribed_per_hour: 20 }), "≈ 20 kr/tim");
});

test("a loan that is full needs no time until then, one that stands still, shrinks or is seen first says nothing", () => {
  equal(told({ subscribed_amount: 1_200_000 }), "≈ 180 000 kr/tim");
  equal([0, -5, null, undefined].map((pace) => told({ subscribed_per_hour: pace })), ["", "", "", ""]);
});

test("great speeds are in millions, other currencies by their code, days when it takes days", () => {
  equal(told({ amount: 1e9, subscribed_per_hour: 12_345_678 }), "≈ 12 mn kr/tim, full om ca 3 dygn");
  equal([told({ currency: "EUR" }), told({ currency: null, subscribed_amount: null })], ["≈ 180 000 EUR/tim, full om ca 3 tim", "≈ 180 000/tim"]);
});

test("when a loan is full follows from what is left", () => equal(fullAt(loan({ subscribed_per_hour: 270_000 }), SEEN), SEEN + 2 * HOUR));
