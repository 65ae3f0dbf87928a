import { clockTime, formats } from "/static/format.js";
import { equal, test } from "./check.js";

const sv = formats("sv");
const en = formats("en");
const NOW = Date.parse("2026-01-31T12:00:00Z");
const plain = (text) => text.replace(/\s/g, " ");

test("elapsed time is minutes and seconds, with hours when there are any", () => {
  equal([0, 999, 61_000, 600_000, 3_723_000, -5].map(clockTime), ["0:00", "0:00", "1:01", "10:00", "1:02:03", "0:00"]);
});

test("money has the language's spaces and the currency's code", () => {
  equal([plain(sv.money(12500000, "SEK")), plain(en.money(12500000, "DKK")), plain(sv.money(0.5))], ["12 500 000 SEK", "12,500,000 DKK", "0,5"]);
});

test("rates and shares are per cent by language", () => {
  equal([plain(sv.rate(8.25)), en.rate(8.25), plain(sv.filled(0.5))], ["8,25 %", "8.25%", "50 %"]);
});

test("almost full is never shown as full", () => {
  equal([plain(sv.filled(0.99999)), plain(sv.filled(1)), plain(sv.filled(0.29)), plain(sv.filled(1.04))], ["99 %", "100 %", "29 %", "104 %"]);
});

test("what is unknown is a dash", () => {
  equal([sv.money(null), sv.rate(undefined), sv.filled(null), sv.moment(null), sv.whole(undefined)], ["–", "–", "–", "–", "–"]);
});

test("times are those of Stockholm, in summer and in winter", () => {
  equal([sv.hour("2026-01-31T12:00:00Z"), sv.hour("2026-07-01T12:00:00Z")], ["13:00", "14:00"]);
  equal(plain(sv.moment("2026-07-10T23:59:00+02:00")), "10 juli 23:59");
});

test("relative times are short: om 3 tim", () => {
  equal(plain(sv.relative("2026-01-31T15:00:30Z", NOW)), "om 3 tim");
  equal(plain(en.relative("2026-01-31T15:00:30Z", NOW)), "in 3 hr");
  equal(plain(sv.relative("2026-01-31T11:58:00Z", NOW)), "för 2 min sen");
});

test("lists read as one says them", () => equal([sv.list(["Sverige", "Danmark"]), en.list(["Sweden"])], ["Sverige och Danmark", "Sweden"]));

test("millions have three digits", () => equal([sv.millions(412_345_678), plain(sv.millions(3_249_000))], ["412", "3,25"]));
