/** Carries out what the state machine of the connection asks for: websocket, long poll, backoff. */
import { ApiError, getJob, jobSocketPath, openSocket } from "./api.js";
import { backoff, IDLE, step } from "./connection.js";

const OPEN_LIMIT_MS = 4_000;
const QUIET_MS = 30_000;

/** Follows one job at a time. */
export class Follower {
  #state = IDLE;
  #etag = null;
  #undo = () => {};

  /** @param {(connection: import("./connection.js").Connection) => void} onChange */
  constructor(onChange) {
    this.onChange = onChange;
  }

  /** @param {string} jobId @param {Record<string, any> | null} [job] the document, where it is known already */
  follow(jobId, job = null) {
    this.#etag = null;
    this.#take({ type: "follow", jobId, job });
  }

  stop() {
    this.#take({ type: "stop" });
  }

  resume() {
    this.#take({ type: "resume" });
  }

  /** Forgets the job. */
  clear() {
    this.#leave();
    this.#state = IDLE;
    this.onChange(this.#state);
  }

  /** Puts in a document that came by another way, such as the answer to a cancel.
   * @param {Record<string, any>} job */
  learn(job) {
    if (job.job_id === this.#state.jobId) this.#take({ type: "job", job });
  }

  /** Looks at once: the network is back, or the page is seen again. */
  nudge() {
    this.#take({ type: "quiet" });
  }

  #take(event) {
    const { state, effect } = step(this.#state, event);
    if (state === this.#state) return;
    this.#state = state;
    if (effect) {
      this.#leave();
      this.#start(effect);
    }
    this.onChange(state);
  }

  #leave() {
    const undo = this.#undo;
    this.#undo = () => {};
    undo();
  }

  #start(effect) {
    if (effect === "wait") this.#wait();
    if (effect === "socket") this.#socket();
    if (effect === "check") this.#ask(false);
    if (effect === "poll") this.#ask(true);
  }

  #wait() {
    const timer = setTimeout(() => this.#take({ type: "retry" }), backoff(this.#state.failures, Math.random()));
    this.#undo = () => clearTimeout(timer);
  }

  async #ask(wait) {
    const control = new AbortController();
    this.#undo = () => control.abort();
    const event = await this.#answer(wait, control.signal);
    if (!control.signal.aborted) this.#take(event);
  }

  async #answer(wait, signal) {
    try {
      const etag = this.#state.job ? this.#etag : null;
      const { job, etag: seen } = await getJob(this.#state.jobId, { etag, wait, signal });
      if (signal.aborted) return { type: "unchanged" };
      this.#etag = seen;
      return job ? { type: "job", job } : { type: "unchanged" };
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.status === 404) return { type: "missing" };
      return { type: error.status === 401 || error.status === 403 ? "refused" : "failed" };
    }
  }

  #socket() {
    const { jobId, job } = this.#state;
    const socket = openSocket(jobSocketPath(jobId, job?.revision));
    let [opened, timer] = [false, setTimeout(() => lost(), OPEN_LIMIT_MS)];
    const listenOn = () => {
      clearTimeout(timer);
      timer = setTimeout(() => this.#take({ type: "quiet" }), QUIET_MS);
    };
    const lost = () => this.#take({ type: "socket_lost", opened });
    socket.onopen = () => {
      opened = true;
      listenOn();
    };
    socket.onmessage = ({ data }) => {
      listenOn();
      const frame = JSON.parse(data);
      if (frame.type === "job") this.#take({ type: "job", job: frame.job });
    };
    socket.onclose = lost;
    this.#undo = () => {
      clearTimeout(timer);
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    };
  }
}
