/** Asks for the past of the loans that are shown. It comes when it comes; without it nothing is missed. */
import { followed, submit } from "./api.js";
import { remember, remembered } from "./dom.js";

const KIND = "loan-history";

/** The service takes so many ids at once. */
const AT_ONCE = 100;

/** @param {readonly number[]} ids
 * @returns {string} short, the same for the same ids in any order (FNV-1a, 32 bits) */
export function fingerprint(ids) {
  let hash = 0x811c9dc5;
  for (const letter of [...ids].sort((a, b) => a - b).join()) hash = Math.imul(hash ^ letter.charCodeAt(0), 0x01000193);
  return (hash >>> 0).toString(16);
}

/** @param {readonly Record<string, any>[]} shown
 * @param {ReadonlySet<unknown>} asked
 * @returns {number[]} which to ask for: of the topmost those that were seen before, and not asked for yet */
export function wanted(shown, asked) {
  const seenBefore = (loan) => loan.subscribed_per_hour !== null && loan.subscribed_per_hour !== undefined;
  return shown.slice(0, AT_ONCE).filter((loan) => seenBefore(loan) && !asked.has(loan.id)).map(({ id }) => id);
}

/** So many of the jobs for curves are remembered, in this browser: more than are kept at a time. */
const KEPT = 50;
let asking = 0;
const own = () => JSON.parse(remembered("curves") ?? "[]");

/** @param {Record<string, any>} job
 * @returns {boolean} whether a page asked for it to draw curves: nobody looks for it in the list of all jobs.
 *   While such a request is under way any of its kind may be it. */
export const isForCurves = (job) => job.kind === KIND && (asking > 0 || own().includes(job.job_id));

/** @param {Promise<Record<string, any>>} submitted
 * @returns {Promise<Record<string, any>>} the same */
async function owned(submitted) {
  asking += 1;
  try {
    const job = await submitted;
    remember("curves", JSON.stringify([...new Set([job.job_id, ...own()])].slice(0, KEPT)));
    return job;
  } finally {
    asking -= 1;
  }
}

/** A reload asks with the same key, and so is given the job that there is.
 * @param {Record<string, any>} job whose loans they are
 * @param {readonly number[]} ids
 * @returns {Promise<Record<string, any>[]>} what was seen until then, oldest first; none when anything goes wrong */
async function seen(job, ids) {
  const params = { ids, to: job.finished_at };
  const key = `past-${job.job_id}-${fingerprint(ids)}`;
  const history = await owned(submit(KIND, params, key)).then(followed).catch(() => null);
  return history?.status === "success" ? history.data.rows : [];
}

/** @param {(jobId: string, rows: Record<string, any>[]) => void} onSeen */
export function createPast(onSeen) {
  let [jobId, asked, busy] = [null, new Set(), false];

  /** @param {{job: Record<string, any>, shown: readonly Record<string, any>[]}} view */
  async function update({ job, shown }) {
    if (job.job_id !== jobId) [jobId, asked, busy] = [job.job_id, new Set(), false];
    const ids = busy ? [] : wanted(shown, asked);
    if (ids.length === 0) return;
    const mine = asked;
    for (const id of ids) mine.add(id);
    busy = true;
    const rows = await seen(job, ids);
    if (mine !== asked) return;
    busy = false;
    if (rows.length) onSeen(job.job_id, rows);
  }

  return { update };
}
