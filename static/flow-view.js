/** The main flow on the page: start, headline, progress, trouble. */
import { byId, make, setAttribute, setText } from "./dom.js";
import { counted, isWorking, lacksWorker, phaseOf, progressText, stageOf, troubleOf } from "./flow.js";
import { clockTime } from "./format.js";
import { kindName } from "./jobs-state.js";

const CONTROLS = new Set(["start", "cancel", "retry", "wait-on"]);
const usable = (button) => !button.hidden && !button.disabled;
const RETRIES = new Set(["refused", "failed", "gone", "timedout"]);

/** @param {{start: (countries: string[]) => void, cancel: () => void, retry: () => void, waitOn: () => void}} actions */
export function createFlow(actions) {
  const form = byId("start-form");
  const parts = Object.fromEntries(
    ["start", "now", "spinner", "headline", "elapsed", "cancel", "progress", "bar", "fill", "phase", "alert", "retry"]
      .map((id) => [id, byId(id)]),
  );
  let [told, owed] = ["", false];

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const countries = [...form.querySelectorAll(":checked")].map((box) => box.value);
    byId("no-country").hidden = countries.length > 0;
    if (countries.length && !parts.start.disabled) actions.start(countries);
  });
  form.addEventListener("change", () => { byId("no-country").hidden = true; });
  for (const event of ["pointerdown", "focusin"]) document.addEventListener(event, () => { owed = false; });
  parts.cancel.addEventListener("click", actions.cancel);
  parts.retry.addEventListener("click", actions.retry);
  byId("wait-on").addEventListener("click", actions.waitOn);

  function update(state) {
    const { flow, connection, t, now } = state;
    const stage = stageOf(flow, connection);
    const working = isWorking(stage);
    const stopping = stage === "cancelling" || stage === "starting";
    const focused = document.activeElement;
    const had = focused instanceof HTMLElement && CONTROLS.has(focused.id) && usable(focused);
    setAttribute(parts.now, "data-stage", stage);
    parts.start.disabled = working;
    parts.spinner.hidden = !working;
    parts.cancel.hidden = !working || stage === "starting";
    parts.cancel.disabled = stopping;
    setText(parts.headline, headline(stage, state));
    byId("elapsed-box").hidden = flow.since === null || !parts.headline.textContent;
    setText(parts.elapsed, clockTime(flow.before + (flow.frozen ?? now) - (flow.since ?? now)));
    updateProgress(working, connection, t);
    updateTrouble(troubleOf(stage, flow, connection, now), t);
    parts.retry.hidden = !RETRIES.has(stage) && !(stage === "cancelled" && connection.job.error_code);
    byId("wait-on").hidden = stage !== "timedout";
    keepFocus(had && !usable(focused));
  }

  /** What had the focus was turned off. While the job runs nothing gets it (a second press of Enter must not
   * cancel); once it is over, the next thing to do does, unless the reader has gone elsewhere. */
  function keepFocus(lost) {
    owed ||= lost;
    const next = [parts.retry, parts.start].find(usable);
    if (!owed || !next) return;
    owed = false;
    next.focus({ preventScroll: true });
  }

  function updateProgress(working, connection, t) {
    const progress = counted(connection.job?.progress);
    parts.progress.hidden = !working;
    const total = progress?.total ?? null;
    const done = total === null ? null : Math.min(progress.done, total);
    const text = progressText(progress, t);
    setAttribute(parts.bar, "aria-valuemax", total);
    setAttribute(parts.bar, "aria-valuenow", done);
    setAttribute(parts.bar, "aria-valuetext", text || null);
    parts.fill.style.width = total === null ? "" : `${(100 * done) / total}%`;
    setText(byId("progress-text"), text);
    const phase = phaseOf(progress);
    setText(parts.phase, phase ? (phase.key ? t(phase.key, phase.values) : phase.text) : "");
    setAttribute(parts.phase, "lang", phase?.text ? "en" : null);
  }

  function updateTrouble(trouble, t) {
    const now = JSON.stringify([trouble, t("retry")]);
    if (now === told) return;
    told = now;
    parts.alert.replaceChildren(...(trouble ? paragraphs(trouble, t) : []));
  }

  return { update };
}

function headline(stage, { connection, health, t, kindOf, note }) {
  const { job } = connection;
  const loans = !job || job.kind === "fetch-loans";
  if (stage === "success") {
    const found = job.data?.loans;
    if (!Array.isArray(found)) return t("done_job");
    return found.length ? t("done", { n: found.length }) : t("done_none");
  }
  if (stage === "cancelled") return t(job.error_code ? "cancelled_shutdown" : "cancelled");
  if (["idle", "refused", "failed", "gone", "timedout"].includes(stage)) return "";
  if (stage === "running" && !loans) return `${kindName(job, t, kindOf(job.kind))} …`;
  const text = t(lacksWorker(stage, health, job?.kind) ? "no_worker" : stage);
  return note && (stage === "running" || stage === "pending") ? t("reconnected") + text : text;
}

function paragraphs({ title, sentence, advice, settings = [] }, t) {
  const parts = [make("h2", t(title))];
  if (sentence) parts.push(Object.assign(make("p", sentence), { lang: "en" }));
  if (settings.length) {
    const list = make("p", t("missing_settings"), "missing");
    for (const name of settings) list.append(" ", make("code", name));
    parts.push(list);
  }
  if (advice) parts.push(make("p", t(advice)));
  return parts;
}
