/** How a job is followed: the state machine of the connection, pure. `follow.js` carries out its effects.
 *
 *     idle -> checking -> socket | polling -> ended
 *                 ^          |
 *                 '- waiting <' (lost, backoff)          any -> gone, stopped
 *
 * A GET comes first whenever it is unknown what the service knows (`checking`); then the websocket, or long polls
 * where a websocket does not come through.
 */

/** @typedef {Record<string, any>} Job the job document of the service's contract */
/** @typedef {"idle" | "checking" | "socket" | "polling" | "waiting" | "ended" | "gone" | "stopped"} Phase */
/** @typedef {{phase: Phase, jobId: string | null, job: Job | null, failures: number, socketLosses: number,
 *   lost: boolean, wasLost: boolean, why: "missing" | "refused" | null}} Connection
 * `lost`: the service does not answer now; `wasLost`: it did not, at some time since the job was picked up. */
/** @typedef {{type: "follow", jobId: string, job?: Job | null} | {type: "job", job: Job} | {type: "unchanged"}
 *   | {type: "socket_lost", opened: boolean} | {type: "failed"} | {type: "missing"} | {type: "refused"}
 *   | {type: "retry"} | {type: "quiet"} | {type: "stop"} | {type: "resume"}} ConnectionEvent */
/** @typedef {"check" | "socket" | "poll" | "wait" | "close" | null} Effect */

const TERMINAL = new Set(["success", "failed", "cancelled"]);
const MAX_SOCKET_LOSSES = 3;

/** @type {Readonly<Connection>} */
export const IDLE = Object.freeze({
  phase: "idle",
  jobId: null,
  job: null,
  failures: 0,
  socketLosses: 0,
  lost: false,
  wasLost: false,
  why: null,
});

/** @param {Job | null | undefined} job
 * @returns {boolean} */
export const isTerminal = (job) => Boolean(job) && TERMINAL.has(job.status);

/** Full jitter between a half and the whole of 0.5, 1, 2, 4, 8, 10, 10 … seconds.
 * @param {number} failures in a row, from 1
 * @param {number} random from 0 to 1
 * @returns {number} milliseconds */
export const backoff = (failures, random) =>
  Math.min(10_000, 500 * 2 ** Math.max(0, failures - 1)) * (0.5 + random / 2);

const to = (state, phase, effect, changes = {}) => ({ state: { ...state, ...changes, phase }, effect });
const stay = (state) => ({ state, effect: null });

const listen = (state, changes) =>
  state.socketLosses >= MAX_SOCKET_LOSSES
    ? to(state, "polling", "poll", changes)
    : to(state, "socket", "socket", changes);

const lose = (state) => to(state, "waiting", "wait", { failures: state.failures + 1, lost: true, wasLost: true });

function heard(state, job) {
  if (state.job && job.revision < state.job.revision) job = state.job;
  const news = { job, failures: 0, lost: false };
  if (isTerminal(job)) return to(state, "ended", "close", news);
  if (state.phase === "socket") return to(state, "socket", null, { ...news, socketLosses: 0 });
  if (state.phase === "polling") return to(state, "polling", "poll", news);
  return listen(state, news);
}

function socketLost(state, opened) {
  const socketLosses = opened ? state.socketLosses + 1 : MAX_SOCKET_LOSSES;
  if (!opened) return to(state, "checking", "check", { socketLosses });
  return lose({ ...state, socketLosses });
}

const ACTIVE = new Set(["checking", "socket", "polling", "waiting"]);

/** @param {Connection} state
 * @param {ConnectionEvent} event one that does not fit the phase changes nothing
 * @returns {{state: Connection, effect: Effect}} */
export function step(state, event) {
  if (event.type === "follow") {
    const fresh = { ...IDLE, jobId: event.jobId };
    return event.job ? heard({ ...fresh, phase: "checking" }, event.job) : to(fresh, "checking", "check");
  }
  if (event.type === "resume") return state.phase === "stopped" ? to(state, "checking", "check") : stay(state);
  if (!ACTIVE.has(state.phase)) return stay(state);
  switch (event.type) {
    case "job":
      return heard(state, event.job);
    case "unchanged":
      return state.job ? heard(state, state.job) : stay(state);
    case "socket_lost":
      return state.phase === "socket" ? socketLost(state, event.opened) : stay(state);
    case "failed":
      return lose(state);
    case "missing":
    case "refused":
      return to(state, "gone", "close", { lost: false, why: event.type });
    case "retry":
      return state.phase === "waiting" ? to(state, "checking", "check") : stay(state);
    case "quiet":
      return state.phase === "socket" || state.phase === "waiting" ? to(state, "checking", "check") : stay(state);
    case "stop":
      return to(state, "stopped", "close", { lost: false });
    default:
      return stay(state);
  }
}

/** Why a job that the service no longer knows is gone, from what the page saw of it.
 * @param {Connection} connection
 * @param {{expires_at?: string | null} | null} remembered what an earlier visit kept of the job
 * @param {number} now in milliseconds
 * @returns {"refused" | "expired" | "restarted" | "unknown"} */
export function whyGone({ why, job, wasLost }, remembered, now) {
  if (why === "refused") return "refused";
  const expiry = Date.parse(job?.expires_at ?? remembered?.expires_at ?? "");
  if (expiry <= now) return "expired";
  return wasLost || expiry > now ? "restarted" : "unknown";
}
