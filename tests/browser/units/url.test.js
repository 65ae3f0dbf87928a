import { NO_FILTERS } from "/static/filter.js";
import { readAddress, writeAddress } from "/static/url.js";
import { equal, test } from "./check.js";

const ID = "0192f0c1-7c1e-7d3a-9d53-0d2f5a3f7c11";
const there = (text) => {
  const { search, hash } = new URL(text, "http://page.test/");
  return readAddress({ search, hash });
};

test("an empty address means nothing chosen", () => equal(there("/"), { job: null, order: null, filters: NO_FILTERS }));

test("the job is in the fragment", () => {
  equal([there(`/#job=${ID}`).job, writeAddress({ job: ID, order: null, filters: NO_FILTERS })], [ID, `/#job=${ID}`]);
});

test("what is written is read again", () => {
  const remembered = {
    job: ID,
    order: { key: "rate", descending: true },
    filters: { q: "villa & å#", countries: ["DK", "SE"], risks: ["A"], rate: [8.5, null], months: [null, 24], openness: "open" },
  };
  equal(there(writeAddress(remembered)), remembered);
});

test("only what is chosen is written", () => {
  equal(writeAddress({ job: null, order: { key: "amount", descending: false }, filters: NO_FILTERS }), "?sort=amount");
  equal(writeAddress({ job: null, order: null, filters: { ...NO_FILTERS, rate: [8, 10], risks: ["A", "B"] } }), "?risk=A,B&rate=8..10");
});

test("what is broken counts as absent", () => {
  equal(there("/?sort=constructor&rate=a..b&state=perhaps&months=..#job=../../x"), { job: null, order: null, filters: NO_FILTERS });
});

test("nothing in the address says where the service is", () => {
  equal(there("/?api=http://evil.example&base=//evil.example"), { job: null, order: null, filters: NO_FILTERS });
});
