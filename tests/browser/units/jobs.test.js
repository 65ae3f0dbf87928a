import { translator } from "/static/i18n.js";
import { ageText, kindName, shortProgress, takeFrame, timeLeft } from "/static/jobs-state.js";
import { fieldsOf, paramsOf } from "/static/schema.js";
import { equal, test } from "./check.js";

const job = (job_id, revision = 1) => ({ job_id, revision });
const sv = translator("sv");

test("the first frame is the list", () => equal(takeFrame(null, { type: "jobs", jobs: [job("a")] }), [job("a")]));

test("a new job comes first, a known one stays in its place", () => {
  const list = takeFrame([job("a")], { type: "job", job: job("b") });
  equal(list.map(({ job_id }) => job_id), ["b", "a"]);
  equal(takeFrame(list, { type: "job", job: job("a", 2) }), [job("b"), job("a", 2)]);
});

test("an older revision changes nothing", () => {
  const list = [job("a", 5)];
  equal(takeFrame(list, { type: "job", job: job("a", 4) }) === list, true);
});

test("an expired job leaves, and unknown frames are let be", () => {
  equal(takeFrame([job("a"), job("b")], { type: "expired", job_id: "a" }), [job("b")]);
  equal(takeFrame([job("a")], { type: "later" }), [job("a")]);
});

test("progress in the list is short", () => {
  equal(shortProgress({ status: "running", progress: { done: 3, total: 7 } }), "3/7");
  equal([shortProgress({ status: "success", progress: { done: 7, total: 7 } }), shortProgress({ status: "running", progress: null })], ["", ""]);
});

test("time left is counted down to nothing", () => {
  const now = Date.parse("2026-01-31T12:00:00Z");
  const left = (expires_at) => timeLeft({ expires_at }, now);
  equal([left("2026-01-31T12:59:00Z"), left("2026-01-31T11:00:00Z"), left(null)], ["59:00", "0:00", ""]);
  equal(ageText({ created_at: "2026-01-31T11:58:30Z" }, now), "1:30");
});

test("a kind has our words, or its own title, or its name", () => {
  equal([kindName({ kind: "fetch-loans" }, sv), kindName({ kind: "echo" }, sv, { title: "Say it" }), kindName({ kind: "echo" }, sv)], ["Hämta lån", "Say it", "echo"]);
});

const SCHEMA = {
  required: ["text"],
  $defs: { Voice: { enum: ["low", "high"], type: "string", title: "Voice" } },
  properties: {
    text: { type: "string", maxLength: 1000, title: "Text", description: "what to say" },
    times: { anyOf: [{ type: "integer", minimum: 1, maximum: 9 }, { type: "null" }], default: null, title: "Times" },
    loud: { type: "boolean", default: true },
    voice: { $ref: "#/$defs/Voice", default: "low" },
    countries: { type: "array", items: { enum: ["SE", "NO"] }, default: ["SE"] },
    ids: { type: "array", items: { type: "integer" } },
  },
};

test("a schema becomes fields: flat ones and lists of words", () => {
  const fields = fieldsOf(SCHEMA);
  equal(fields.map(({ name, control }) => [name, control]), [["text", "text"], ["times", "number"], ["loud", "check"], ["voice", "select"], ["countries", "checks"], ["ids", "words"]]);
  equal([fields[0].maxLength, fields[0].required, fields[0].hint], [1000, true, "what to say"]);
  equal([fields[1].min, fields[1].max, fields[1].initial, fields[3].options, fields[3].label], [1, 9, null, ["low", "high"], "Voice"]);
});

test("params of one class are told apart by their names", () => {
  const low_from = { $ref: "#/$defs/Level" };
  const $defs = { Level: { enum: ["low", "high"], title: "Level", type: "string", description: "Of all." } };
  const fields = fieldsOf({ properties: { low_from, to: { anyOf: [low_from, { type: "null" }], default: null } }, $defs });
  equal(fields.map(({ label, options }) => [label, options]), [["Low From", ["low", "high"]], ["To", ["low", "high"]]]);
});

test("what was typed becomes params of the right types", () => {
  const typed = { text: ["5"], times: ["3"], loud: [], voice: ["high"], countries: ["NO"], ids: ["4711, 12"] };
  equal(paramsOf(fieldsOf(SCHEMA), (name) => typed[name]), { text: "5", times: 3, loud: false, voice: "high", countries: ["NO"], ids: [4711, 12] });
});

test("what was left empty is left out, so that defaults stand", () => {
  const typed = { text: ["a"], times: [""], loud: ["true"], voice: [""], countries: [], ids: [" "] };
  equal(paramsOf(fieldsOf(SCHEMA), (name) => typed[name]), { text: "a", loud: true, countries: [] });
});

test("what is no number goes as it is, for the service to say so", () => {
  equal(paramsOf([{ name: "n", control: "number" }], () => ["many"]), { n: "many" });
});
