/** All jobs on the page. A row stays the same element for as long as its job is listed. */
import { isTerminal } from "./connection.js";
import { byId, setAttribute, setChildren, setText } from "./dom.js";
import { ageText, kindName, shortProgress, timeLeft } from "./jobs-state.js";
import { isForCurves } from "./past.js";

/** So many fit beside everything else; the rest is a press away. */
const FEW = 8;

/** @param {{open: (jobId: string) => void, stop: (jobId: string) => void}} actions */
export function createJobs(actions) {
  const rows = new Map();
  const template = byId("job-row").content;
  let [all, last] = [false, null];

  byId("jobs-rows").addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) actions[button.dataset.do](button.closest("tr").dataset.job);
  });

  byId("jobs-more").addEventListener("click", () => {
    all = !all;
    update(last);
  });

  function rowOf(jobId) {
    if (!rows.has(jobId)) {
      const row = template.firstElementChild.cloneNode(true);
      row.dataset.job = jobId;
      rows.set(jobId, row);
    }
    return rows.get(jobId);
  }

  function write(job, { t, f, now, kindOf, connection, stopping }) {
    const row = rowOf(job.job_id);
    const [kind, status, progress, age, left, doing] = row.cells;
    const [open, stop] = doing.children;
    const name = kindName(job, t, kindOf(job.kind));
    const named = { kind: name, time: f.hour(job.created_at) };
    setAttribute(row, "data-status", job.status);
    row.classList.toggle("here", connection.jobId === job.job_id);
    for (const [cell, key] of [[progress, "job_progress"], [age, "job_age"], [left, "job_left"]]) {
      setAttribute(cell, "data-label", t(key));
    }
    setText(kind, name);
    setText(status.firstElementChild, t(`status_${job.status}`));
    setText(progress, shortProgress(job));
    setText(age, ageText(job, now));
    setText(left, timeLeft(job, now));
    setText(open, t("job_open"));
    setText(stop, t("job_stop"));
    setAttribute(open, "aria-label", t("job_open_named", named));
    setAttribute(stop, "aria-label", t("job_stop_named", named));
    stop.hidden = isTerminal(job);
    stop.disabled = stopping.has(job.job_id);
    return row;
  }

  /** @param {Record<string, any>} state */
  function update(state) {
    const { jobs, online, t, health } = state;
    const known = (jobs ?? []).filter((job) => !isForCurves(job));
    const listed = all ? known : known.slice(0, FEW);
    last = state;
    const focused = document.activeElement;
    const inRow = focused?.closest?.("#jobs-rows tr");
    setChildren(byId("jobs-rows"), listed.map((job) => write(job, state)));
    for (const jobId of [...rows.keys()]) if (!listed.some((job) => job.job_id === jobId)) rows.delete(jobId);
    byId("jobs-more").hidden = known.length <= FEW;
    setText(byId("jobs-more"), t(all ? "jobs_fewer" : "jobs_more", { n: known.length }));
    byId("jobs-table").hidden = listed.length === 0;
    const hints = [listed.length === 0 && t("no_jobs"), health?.durable === false && t("not_kept")];
    setText(byId("jobs-hint"), online ? hints.filter(Boolean).join(" ") : t("jobs_offline"));
    byId("jobs-hint").hidden = byId("jobs-hint").textContent === "";
    if (inRow) keepFocus(focused, inRow);
  }

  return { update };
}

/** Moving rows takes the focus away, and so does a button that is no longer needed. */
function keepFocus(focused, row) {
  if (document.activeElement === focused && !focused.hidden && !focused.disabled) return;
  if (row.isConnected) (focused.hidden || focused.disabled ? row.querySelector("button") : focused).focus();
}
