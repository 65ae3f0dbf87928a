/** The main flow as a pure function: from what the page knows to what it shows. */
import { isTerminal, whyGone } from "./connection.js";

/** After this long by the page's clock the page stops following a job. */
export const TIMEOUT_MS = 5 * 60 * 1000;

/** @typedef {{starting: boolean, cancelling: boolean, since: number | null, before: number, frozen: number | null,
 *   problem: {status: number, message: string} | null, remembered: {expires_at?: string | null} | null}} Flow
 * `since`: when this page began to follow (milliseconds, by its own clock); `before`: how old the job was then;
 * `frozen`: what the elapsed time stopped at. */
/** @typedef {"idle" | "refused" | "starting" | "gone" | "success" | "failed" | "cancelled" | "timedout"
 *   | "reconnecting" | "cancelling" | "pending" | "running"} Stage */

/** @type {Readonly<Flow>} */
export const AT_REST = Object.freeze({
  starting: false,
  cancelling: false,
  since: null,
  before: 0,
  frozen: null,
  problem: null,
  remembered: null,
});

/** @param {Flow} flow
 * @param {import("./connection.js").Connection} connection
 * @returns {Stage} */
export function stageOf(flow, connection) {
  const { phase, job, lost } = connection;
  if (flow.starting) return "starting";
  if (flow.problem) return "refused";
  if (phase === "idle") return "idle";
  if (phase === "gone") return "gone";
  if (isTerminal(job)) return job.status;
  if (phase === "stopped") return "timedout";
  if (lost) return "reconnecting";
  if (flow.cancelling) return "cancelling";
  return job?.status ?? "pending";
}

/** @param {Stage} stage
 * @param {{mode: string, workers?: Record<string, number>, warnings?: string[]} | null} health without `workers`, the
 *   service runs jobs itself
 * @param {string} [kind] of the job; a worker may be without it
 * @returns {boolean} whether the job waits because no process that could run it is alive */
export const lacksWorker = (stage, health, kind) =>
  stage === "pending" && Boolean(health?.workers) &&
  (!health.workers[health.mode] || Boolean(health.warnings?.some((text) => text.includes(` ${health.mode} that takes ${kind},`))));

const WORKING = new Set(["starting", "reconnecting", "cancelling", "pending", "running"]);

/** @param {Stage} stage
 * @returns {boolean} whether **Starta** is off and the spinner turns */
export const isWorking = (stage) => WORKING.has(stage);

/** How old a job is, by the service's own clock, so that a wrong clock here does not matter.
 * @param {Record<string, any>} job
 * @returns {number} milliseconds */
export const ageOf = (job) => Math.max(0, Date.parse(job.updated_at) - Date.parse(job.created_at)) || 0;

/** @param {Record<string, any> | null | undefined} progress
 * @returns {{done: number, total: number | null, unit: string, message: string} | null} null while nothing is counted */
export function counted(progress) {
  if (!progress) return null;
  const { done = 0, total = null, unit = "", message = "" } = progress;
  return { done, total: total || null, unit, message };
}

/** @param {ReturnType<typeof counted>} progress
 * @param {(key: string, values?: object) => string} t
 * @returns {string} "sida 3 av 7"; "" while nothing is done and no total is known */
export function progressText(progress, t) {
  if (!progress || (!progress.total && !progress.done)) return "";
  const pages = progress.unit === "pages";
  if (progress.total) return t(pages ? "page_of" : "unit_of", progress).trim();
  return t(pages ? "pages_done" : "unit_done", progress).trim();
}

const PHASES = [
  [/next (one-time )?code/i, "waiting_code"],
  [/logg?(ing|ed) in/i, "logging_in"],
  [/reading it once more/i, "reading_again"],
  [/trying again in (?<n>\d+) s/i, "trying_again"],
];

/** @param {ReturnType<typeof counted>} progress
 * @returns {{key: string, values: object} | {text: string} | null} words of ours, or the kind's own sentence */
export function phaseOf(progress) {
  const message = progress?.message ?? "";
  if (!message || /^fetched( again)? page \d+/i.test(message)) return null;
  for (const [pattern, key] of PHASES) {
    const found = pattern.exec(message);
    if (found) return { key, values: { seconds: found.groups?.n } };
  }
  return { text: message };
}

const CODES = new Set([
  "configuration",
  "login_failed",
  "upstream_unavailable",
  "upstream_rate_limited",
  "upstream_invalid",
  "timeout",
  "worker_lost",
  "shutdown",
]);

/** What to tell of a failure, beside its own sentence.
 * @param {{error: string | null, error_code: string | null}} job
 * @returns {{title: string, advice: string, settings: string[]}} keys of words; the settings that the sentence names */
export function explain({ error, error_code: code }) {
  const maintenance = /maintenance|underhåll/i.test(error ?? "");
  const word = maintenance ? "maintenance" : CODES.has(code ?? "") ? code : "internal";
  const names = (error ?? "").match(/\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b/g) ?? [];
  return {
    title: `failed_${word}`,
    advice: `advice_${word}`,
    settings: code === "configuration" ? [...new Set(names)] : [],
  };
}

/** @typedef {{title: string, sentence?: string, advice?: string, settings?: string[]}} Trouble
 * `title` and `advice` are keys of words, `sentence` comes from the service. */

/** @param {Stage} stage
 * @param {Flow} flow
 * @param {import("./connection.js").Connection} connection
 * @param {number} now
 * @returns {Trouble | null} what the alert says */
export function troubleOf(stage, flow, connection, now) {
  const { job } = connection;
  if (stage === "failed" || (stage === "cancelled" && job.error_code)) {
    return { ...explain(job), sentence: job.error ?? "" };
  }
  if (stage === "gone") return { title: "gone", advice: `gone_${whyGone(connection, flow.remembered, now)}` };
  if (stage === "timedout") return { title: "timedout", advice: "timedout_advice" };
  if (stage !== "refused") return null;
  if (flow.problem.status === 0) return { title: "failed_network", advice: "advice_network" };
  if (flow.problem.status === 401) return { title: "failed_start", advice: "gone_refused" };
  return { title: "failed_start", sentence: flow.problem.message };
}
