/** Keeps the list of all jobs live: by websocket, or by asking every few seconds where none comes through. */
import { listJobs, openSocket } from "./api.js";
import { backoff } from "./connection.js";

const ASK_MS = 5_000;

/** @param {(frame: Record<string, any>) => void} onFrame
 * @param {(online: boolean) => void} onOnline */
export function feedJobs(onFrame, onOnline) {
  let [failures, blocked] = [0, 0];

  function connect() {
    const socket = openSocket("/api/jobs/ws");
    let opened = false;
    socket.onopen = () => {
      [opened, failures, blocked] = [true, 0, 0];
      onOnline(true);
    };
    socket.onmessage = ({ data }) => onFrame(JSON.parse(data));
    socket.onclose = () => {
      failures += 1;
      if (!opened) blocked += 1;
      ask();
    };
  }

  async function ask() {
    try {
      onFrame({ type: "jobs", ...(await listJobs()) });
      onOnline(true);
      failures = 0;
      setTimeout(blocked > 2 && blocked % 6 ? ask : connect, blocked ? ASK_MS : backoff(1, Math.random()));
      if (blocked) blocked += 1;
    } catch {
      onOnline(false);
      failures += 1;
      setTimeout(ask, backoff(failures, Math.random()));
    }
  }

  connect();
}
