/** The list of all jobs, from what the service tells of them. Pure. */

import { clockTime } from "./format.js";

/** @typedef {Record<string, any>} Job */

/** @param {readonly Job[] | null} jobs null before anything was heard
 * @param {Record<string, any>} frame of `/api/jobs/ws`
 * @returns {readonly Job[] | null} newest first; the same list when nothing changed */
export function takeFrame(jobs, frame) {
  if (frame.type === "jobs") return frame.jobs;
  if (frame.type === "expired") return jobs && jobs.filter((job) => job.job_id !== frame.job_id);
  if (frame.type !== "job") return jobs;
  const known = jobs ?? [];
  const place = known.findIndex((job) => job.job_id === frame.job.job_id);
  if (place < 0) return [frame.job, ...known];
  if (known[place].revision >= frame.job.revision) return jobs;
  return known.map((job, n) => (n === place ? frame.job : job));
}

/** @param {Job} job
 * @returns {string} "3/7"; "" where nothing is counted or it is over */
export function shortProgress({ status, progress }) {
  if (status !== "running" || !progress || (!progress.total && !progress.done)) return "";
  return progress.total ? `${progress.done}/${progress.total}` : String(progress.done);
}

/** @param {Job} job
 * @param {(key: string) => string} t
 * @param {{title?: string} | undefined} kind as the service describes it
 * @returns {string} the kind's name for people: our own words where there are any */
export function kindName(job, t, kind) {
  const key = `kind_${job.kind}`;
  return t(key) === key ? kind?.title || job.kind : t(key);
}

/** @param {Job} job
 * @param {number} now
 * @returns {string} how long ago it was submitted, in minutes and seconds */
export const ageText = ({ created_at: created }, now) => clockTime(now - Date.parse(created));

/** @param {Job} job
 * @param {number} now
 * @returns {string} how long it is still kept, in minutes and seconds; "" while it is not finished */
export const timeLeft = ({ expires_at: expires }, now) => (expires ? clockTime(Date.parse(expires) - now) : "");
