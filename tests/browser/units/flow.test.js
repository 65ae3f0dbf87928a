import { IDLE } from "/static/connection.js";
import { ageOf, AT_REST, counted, explain, isWorking, lacksWorker, phaseOf, progressText, stageOf, TIMEOUT_MS, troubleOf } from "/static/flow.js";
import { translator } from "/static/i18n.js";
import { equal, ok, test } from "./check.js";

const t = translator("sv");
const at = (phase, job = null, more = {}) => ({ ...IDLE, jobId: "a", phase, job, ...more });

test("the page waits five minutes", () => equal(TIMEOUT_MS, 300_000));

test("a stage for everything that the page can know", () => {
  const running = { status: "running" };
  equal(stageOf(AT_REST, IDLE), "idle");
  equal(stageOf({ ...AT_REST, starting: true }, IDLE), "starting");
  equal(stageOf({ ...AT_REST, problem: { status: 503, message: "" } }, IDLE), "refused");
  equal(stageOf(AT_REST, at("checking")), "pending");
  equal(stageOf(AT_REST, at("socket", running)), "running");
  equal(stageOf({ ...AT_REST, cancelling: true }, at("socket", running)), "cancelling");
  equal(stageOf(AT_REST, at("waiting", running, { lost: true })), "reconnecting");
  equal(stageOf(AT_REST, at("stopped", running)), "timedout");
  equal(stageOf(AT_REST, at("gone", running)), "gone");
  for (const status of ["success", "failed", "cancelled"]) equal(stageOf(AT_REST, at("ended", { status })), status);
});

test("Starta is off exactly while something goes on", () => {
  const stages = ["idle", "refused", "starting", "gone", "success", "failed", "cancelled", "timedout", "reconnecting", "cancelling", "pending", "running"];
  equal(stages.filter(isWorking), ["starting", "reconnecting", "cancelling", "pending", "running"]);
});

test("a job that waits lacks a worker only where workers of its mode run jobs and none is alive", () => {
  const lacks = (workers, stage = "pending") => lacksWorker(stage, { mode: "live", workers });
  equal([lacks({}), lacks({ test: 1 }), lacks({ live: 1 }), lacks(undefined)], [true, true, false, false]);
  equal([lacks({}, "running"), lacksWorker("pending", null)], [false, false]);
});

test("it lacks one too where none of those that are alive takes its kind", () => {
  const warnings = ["2 jobs wait for a worker of mode live that takes echo, and none is alive"];
  const lacks = (mode, kind) => lacksWorker("pending", { mode, workers: { live: 1, test: 1 }, warnings }, kind);
  equal([lacks("live", "echo"), lacks("live", "ech"), lacks("test", "echo"), lacks("live")], [true, false, false, false]);
});

test("progress is told in the language's words", () => {
  const tell = (progress) => progressText(counted(progress), t);
  equal(tell({ done: 3, total: 7, unit: "pages" }), "sida 3 av 7");
  equal(tell({ done: 3, total: null, unit: "pages" }), "sida 3");
  equal(tell({ done: 2, total: 5, unit: "words" }), "2 av 5 words");
  equal(tell({ done: 2, total: 5, unit: "" }), "2 av 5");
  equal([tell({ done: 0, total: null, unit: "pages" }), tell(null)], ["", ""]);
});

test("phases have words of ours where we know them", () => {
  const phase = (message) => phaseOf(counted({ done: 0, message }));
  equal([phase("Logging in").key, phase("Waiting for the next code").key], ["logging_in", "waiting_code"]);
  equal(t(phase("Busy; trying again in 3 s").key, phase("Busy; trying again in 3 s").values), "Kameo är upptaget, nytt försök om 3 s");
  equal([phase("Fetched page 3 of 7"), phase("Fetched page 3"), phase("")], [null, null, null]);
  equal(phase("Polishing"), { text: "Polishing" });
});

test("missing settings are named", () => {
  const told = explain({ error_code: "configuration", error: "Configuration error: KAMEO_EMAIL and KAMEO_PASSWORD are not set" });
  equal(told, { title: "failed_configuration", advice: "advice_configuration", settings: ["KAMEO_EMAIL", "KAMEO_PASSWORD"] });
});

test("maintenance is called that, whatever its code", () => {
  equal(explain({ error_code: "upstream_unavailable", error: "Kameo is down for maintenance" }).title, "failed_maintenance");
});

test("every code of the contract has a title and advice of its own, and an unknown one counts as internal", () => {
  const codes = ["configuration", "login_failed", "upstream_unavailable", "upstream_rate_limited", "upstream_invalid", "timeout", "worker_lost", "shutdown", "internal"];
  for (const code of codes) {
    const { title, advice } = explain({ error_code: code, error: "" });
    equal([title, advice], [`failed_${code}`, `advice_${code}`]);
    ok(t(title) !== title && t(advice) !== advice, code);
  }
  equal(explain({ error_code: "out_of_ink", error: null }).title, "failed_internal");
});

test("what went wrong is told once, and only then", () => {
  const job = { status: "failed", error: "No", error_code: "internal" };
  equal(troubleOf("failed", AT_REST, at("ended", job), 0).sentence, "No");
  equal(troubleOf("cancelled", AT_REST, at("ended", { status: "cancelled", error_code: null }), 0), null);
  equal(troubleOf("cancelled", AT_REST, at("ended", { status: "cancelled", error: "Bye", error_code: "shutdown" }), 0).title, "failed_shutdown");
  equal(troubleOf("refused", { ...AT_REST, problem: { status: 503, message: "Full" } }, IDLE, 0).sentence, "Full");
  equal(troubleOf("refused", { ...AT_REST, problem: { status: 0, message: "x" } }, IDLE, 0).title, "failed_network");
  for (const stage of ["idle", "running", "success", "reconnecting"]) equal(troubleOf(stage, AT_REST, IDLE, 0), null);
});

test("a job's age is by the service's clock, never below nothing", () => {
  const created_at = "2026-01-31T12:00:00Z";
  equal([ageOf({ created_at, updated_at: "2026-01-31T12:00:05Z" }), ageOf({ created_at, updated_at: "2026-01-31T11:00:00Z" })], [5000, 0]);
});
