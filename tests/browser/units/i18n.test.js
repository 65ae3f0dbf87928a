import { chooseLanguage, translator } from "/static/i18n.js";
import en from "/static/words-en.js";
import sv from "/static/words-sv.js";
import { equal, ok, test } from "./check.js";

test("both languages have the same words", () => equal(Object.keys(en).sort(), Object.keys(sv).sort()));

test("both languages fill in the same values", () => {
  const holes = (words, key) => (words[key].match(/\{\w+\}/g) ?? []).sort();
  for (const key of Object.keys(sv)) if (!/_(one|none)$/.test(key)) equal([key, holes(en, key)], [key, holes(sv, key)]);
});

test("no word is empty", () => ok([...Object.values(sv), ...Object.values(en)].every((word) => word.trim()), "an empty word"));

test("Swedish is for everybody who does not ask for English first", () => {
  equal([["sv-SE", "en"], ["en-GB", "sv"], ["da"], ["de", "fr"], [], ["fr", "en"]].map((tags) => chooseLanguage(tags)),
    ["sv", "en", "sv", "sv", "sv", "en"]);
});

test("what was chosen before wins", () => equal([chooseLanguage(["sv"], "en"), chooseLanguage(["en"], "xx")], ["en", "en"]));

test("values are filled in and the plural is picked", () => {
  const t = translator("sv");
  equal([t("page_of", { done: 3, total: 7 }), t("done", { n: 1 }), t("done", { n: 80 })], ["sida 3 av 7", "Klart: ett lån.", "Klart: 80 lån."]);
  equal(translator("en")("loans", { n: "1,000", count: 1000 }), "1,000 loans");
});

test("an unknown key comes back, a value that is a pattern too", () => {
  equal([translator("sv")("nope"), translator("sv")("unit_done", { done: "$&", unit: "{done}" })], ["nope", "$& {done}"]);
});

test("the words that the page is known by", () => {
  equal([sv.start, sv.cancel, sv.retry, sv.reconnecting, en.start], ["Starta", "Avbryt", "Försök igen", "Återansluter …", "Start"]);
  ok(sv.timedout.includes("5 min") && en.timedout.includes("5 min"), "the limit is told");
});
