/** The service's HTTP API, on the page's own origin and nowhere else. Every request has a time limit. */

const LIMIT_MS = 10_000;
const WAIT_SECONDS = 20;
const WAITS = 3;

/** An answer from 400 up, or none at all (`status` 0). `message` is a sentence for people. */
export class ApiError extends Error {
  /** @param {number} status @param {string} message @param {Array<{name: string, message: string}>} [errors] */
  constructor(status, message, errors = []) {
    super(message);
    this.status = status;
    this.errors = errors;
  }
}

/** @param {AbortSignal | undefined} outer
 * @param {number} limit milliseconds
 * @returns {{signal: AbortSignal, done: () => void}} a signal on the page's clock */
function limited(outer, limit) {
  const control = new AbortController();
  const abort = () => control.abort();
  const timer = setTimeout(abort, limit);
  outer?.addEventListener("abort", abort);
  const done = () => {
    clearTimeout(timer);
    outer?.removeEventListener("abort", abort);
  };
  return { signal: control.signal, done };
}

async function refusal(response) {
  const problem = await response.json().catch(() => ({}));
  return new ApiError(response.status, problem.detail || problem.title || response.statusText, problem.errors);
}

async function request(path, { signal, limit = LIMIT_MS, ...options } = {}) {
  const time = limited(signal, limit);
  try {
    const response = await fetch(path, { ...options, signal: time.signal, cache: "no-store" });
    if (response.status === 304) return { response, body: null };
    if (!response.ok) throw await refusal(response);
    return { response, body: await response.json() };
  } catch (error) {
    throw error instanceof ApiError ? error : new ApiError(0, String(error.message ?? error));
  } finally {
    time.done();
  }
}

const jobPath = (jobId) => `/api/jobs/${encodeURIComponent(jobId)}`;

/** @returns {string} a key that no other submit has; `crypto.randomUUID` is missing on plain http */
export function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @param {string} kind
 * @param {Record<string, unknown>} params
 * @param {string} key for idempotency: the same key may safely be sent twice
 * @returns {Promise<Record<string, any>>} the job document */
export async function submit(kind, params, key) {
  const headers = { "Content-Type": "application/json", "Idempotency-Key": key };
  const body = JSON.stringify(params);
  return (await request(`/api/jobs/${encodeURIComponent(kind)}`, { method: "POST", headers, body })).body;
}

/** @param {string} jobId
 * @param {{etag?: string | null, wait?: boolean, signal?: AbortSignal}} [options]
 * @returns {Promise<{job: Record<string, any> | null, etag: string | null}>} `job` is null when unchanged */
export async function getJob(jobId, { etag = null, wait = false, signal } = {}) {
  const headers = {};
  if (etag) headers["If-None-Match"] = etag;
  if (wait) headers.Prefer = `wait=${WAIT_SECONDS}`;
  const limit = LIMIT_MS + (wait ? WAIT_SECONDS * 1000 : 0);
  const { response, body } = await request(jobPath(jobId), { headers, signal, limit });
  return { job: body, etag: response.headers.get("ETag") ?? etag };
}

/** Waits for a job's end by long polls.
 * @param {Record<string, any>} submitted
 * @returns {Promise<Record<string, any>>} the terminal document. Raises ApiError also where it takes too long */
export async function followed({ job_id: jobId }) {
  for (let tries = 0; tries < WAITS; tries += 1) {
    const { job } = await getJob(jobId, { wait: true });
    if (job?.finished_at) return job;
  }
  throw new ApiError(0, "too slow");
}

/** @param {string} jobId
 * @returns {Promise<Record<string, any>>} the cancelled job; the answer comes once it has really stopped */
export const cancelJob = async (jobId) => (await request(jobPath(jobId), { method: "DELETE", limit: 20_000 })).body;

/** @returns {Promise<Record<string, any>>} */
export const health = async () => (await request("/api/health")).body;

/** @returns {Promise<Array<Record<string, any>>>} */
export const kinds = async () => (await request("/api/kinds")).body.kinds;

/** @returns {Promise<Record<string, any>>} the newest hundred */
export const listJobs = async () => (await request("/api/jobs?limit=100")).body;

/** @param {string} path
 * @returns {WebSocket} on the page's own origin */
export function openSocket(path) {
  const address = new URL(path, location.origin);
  address.protocol = address.protocol.replace("http", "ws");
  return new WebSocket(address);
}

/** @param {string} jobId
 * @param {number | undefined} revision what the page has already
 * @returns {string} */
export const jobSocketPath = (jobId, revision) =>
  `${jobPath(jobId)}/ws${revision === undefined ? "" : `?since=${revision}`}`;

/** @param {string} jobId
 * @param {Record<string, string>} [query]
 * @returns {string} where the result is downloaded from */
export const resultPath = (jobId, query = {}) => {
  const text = new URLSearchParams(query).toString();
  return `${jobPath(jobId)}/result${text ? `?${text}` : ""}`;
};
