import { backoff, IDLE, isTerminal, step, whyGone } from "/static/connection.js";
import { equal, ok, test } from "./check.js";

const job = (status, revision = 1) => ({ job_id: "a", status, revision });

function run(...events) {
  const effects = [];
  let state = IDLE;
  for (const event of events) {
    const taken = step(state, event);
    state = taken.state;
    effects.push(taken.effect);
  }
  return { state, effects };
}

const FOLLOW = { type: "follow", jobId: "a" };
const STARTED = { ...FOLLOW, job: job("pending") };

test("a job that was just started is listened to at once", () => {
  const { state, effects } = run(STARTED);
  equal([state.phase, effects], ["socket", ["socket"]]);
});

test("a job known by its id alone is asked for first, then listened to", () => {
  const { state, effects } = run(FOLLOW, { type: "job", job: job("running") });
  equal([state.phase, effects], ["socket", ["check", "socket"]]);
});

test("a terminal job ends the connection, also when the first answer brings it", () => {
  for (const status of ["success", "failed", "cancelled"]) {
    equal(run(FOLLOW, { type: "job", job: job(status) }).state.phase, "ended");
    equal(run(STARTED, { type: "job", job: job(status, 2) }).effects.at(-1), "close");
  }
});

test("nothing moves a connection that has ended, but a new job", () => {
  const ended = [STARTED, { type: "job", job: job("success", 9) }];
  for (const type of ["failed", "missing", "retry", "quiet", "stop", "resume", "unchanged"]) {
    equal(run(...ended, { type }).state.phase, "ended");
  }
  equal(run(...ended, { ...FOLLOW, jobId: "b" }).state.jobId, "b");
});

test("an older revision never takes a newer one's place", () => {
  const { state } = run(STARTED, { type: "job", job: job("running", 7) }, { type: "job", job: job("running", 6) });
  equal(state.job.revision, 7);
});

test("a websocket that never opens gives way to long polls, and nobody is told of a loss", () => {
  const { state, effects } = run(
    STARTED,
    { type: "socket_lost", opened: false },
    { type: "job", job: job("running", 2) },
    { type: "job", job: job("running", 3) },
  );
  equal([state.phase, state.lost, state.wasLost], ["polling", false, false]);
  equal(effects, ["socket", "check", "poll", "poll"]);
});

test("an open websocket that breaks is a loss: wait, ask, listen again", () => {
  const lost = run(STARTED, { type: "socket_lost", opened: true });
  equal([lost.state.phase, lost.state.lost], ["waiting", true]);
  const back = run(STARTED, { type: "socket_lost", opened: true }, { type: "retry" }, { type: "job", job: job("running", 2) });
  equal([back.state.phase, back.state.lost, back.state.wasLost], ["socket", false, true]);
  equal(back.effects, ["socket", "wait", "check", "socket"]);
});

test("a websocket that opens and breaks three times in a row gives way to long polls", () => {
  const once = [{ type: "socket_lost", opened: true }, { type: "retry" }, { type: "job", job: job("running", 2) }];
  equal(run(STARTED, ...once, ...once).state.phase, "socket");
  equal(run(STARTED, ...once, ...once, ...once).state.phase, "polling");
});

test("failures in a row are counted, and an answer forgets them", () => {
  const { state } = run(FOLLOW, { type: "failed" }, { type: "retry" }, { type: "failed" });
  equal([state.failures, state.lost], [2, true]);
  equal(step({ ...state, phase: "checking" }, { type: "job", job: job("running") }).state.failures, 0);
});

test("an unchanged answer goes on as a new one does", () => {
  equal(run(STARTED, { type: "quiet" }, { type: "unchanged" }).effects, ["socket", "check", "socket"]);
  equal(run(STARTED, { type: "socket_lost", opened: false }, { type: "unchanged" }).state.phase, "polling");
});

test("a job that the service does not know is gone, and a refusal is told as such", () => {
  equal(run(FOLLOW, { type: "missing" }).state, { ...IDLE, jobId: "a", phase: "gone", why: "missing" });
  equal(run(FOLLOW, { type: "refused" }).state.why, "refused");
});

test("stopping closes, going on asks again", () => {
  const { state, effects } = run(STARTED, { type: "stop" }, { type: "job", job: job("success", 2) }, { type: "resume" });
  equal([state.phase, effects], ["checking", ["socket", "close", null, "check"]]);
});

test("backoff doubles from half a second to ten, with jitter below it", () => {
  equal([1, 2, 3, 4, 5, 6, 40].map((n) => backoff(n, 1)), [500, 1000, 2000, 4000, 8000, 10000, 10000]);
  equal(backoff(3, 0), 1000);
});

test("why a job is gone is told from what was seen of it", () => {
  const now = Date.parse("2026-01-31T12:00:00Z");
  const gone = { ...IDLE, why: "missing" };
  equal(whyGone(gone, null, now), "unknown");
  equal(whyGone(gone, { expires_at: "2026-01-31T11:59:00Z" }, now), "expired");
  equal(whyGone(gone, { expires_at: "2026-01-31T12:30:00Z" }, now), "restarted");
  equal(whyGone({ ...gone, wasLost: true }, null, now), "restarted");
  equal(whyGone({ ...gone, why: "refused" }, null, now), "refused");
});

test("only success, failed and cancelled are terminal", () => {
  ok(!isTerminal(null) && !isTerminal(job("pending")) && !isTerminal(job("running")), "still going");
  ok(["success", "failed", "cancelled"].every((status) => isTerminal(job(status))), "over");
});
