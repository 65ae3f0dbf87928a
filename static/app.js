/** Puts the page together: the one state, what changes it, and the components that show it. */
import * as api from "./api.js";
import { IDLE, isTerminal } from "./connection.js";
import { pointsOf } from "./curve.js";
import { byId, remember, remembered, setText } from "./dom.js";
import { createFlow } from "./flow-view.js";
import { AT_REST, ageOf, stageOf, TIMEOUT_MS } from "./flow.js";
import { Follower } from "./follow.js";
import { formats } from "./format.js";
import { createForms } from "./forms.js";
import { chooseLanguage, translatePage, translator } from "./i18n.js";
import { feedJobs } from "./jobs-feed.js";
import { takeFrame } from "./jobs-state.js";
import { createJobs } from "./jobs-view.js";
import { createResult } from "./result.js";
import { nextOrder } from "./sort.js";
import { readAddress, writeAddress } from "./url.js";

export { TIMEOUT_MS };

const MAIN_KIND = "fetch-loans";
const SUBMIT_TRIES = 3;
/** Writing the address makes the browser lay out the page at once, so it waits until the table is drawn. */
const ADDRESS_MS = 150;

const language = chooseLanguage(navigator.languages, remembered("language"));
const address = readAddress(location);
let state = {
  language,
  t: translator(language),
  f: formats(language),
  now: Date.now(),
  flow: AT_REST,
  connection: IDLE,
  note: false,
  asked: ["SE", "DK"],
  order: address.order,
  filters: address.filters,
  kinds: null,
  health: null,
  jobs: null,
  past: { jobId: null, points: new Map() },
  online: true,
  stopping: new Set(),
  kindOf: (kind) => state.kinds?.find((one) => one.kind === kind),
};

const follower = new Follower(onConnection);
const components = [
  createFlow({ start: (countries) => begin(MAIN_KIND, { countries }), cancel, retry, waitOn }),
  createResult({ sort: (key) => put({ order: nextOrder(state.order, key) }), filter: (filters) => put({ filters }), see }),
  createJobs({ open: pickUp, stop }),
  createForms(begin),
];
let lastSubmit = { kind: MAIN_KIND, params: null };
let [timeout, addressTimer] = [0, 0];

function put(changes) {
  const before = state;
  state = { ...state, ...changes, now: Date.now() };
  for (const component of components) component.update(state);
  if (state.order === before.order && state.filters === before.filters) return;
  clearTimeout(addressTimer);
  addressTimer = setTimeout(keepAddress, ADDRESS_MS, history.replaceState);
}

function keepAddress(write) {
  const { connection, order, filters } = state;
  const wanted = writeAddress({ job: connection.jobId, order, filters });
  if (wanted !== location.pathname + location.search + location.hash) write.call(history, null, "", wanted);
}

/** Starts a job and follows it. Gives what the service says is wrong with the params, "" for nothing. */
async function begin(kind, params) {
  lastSubmit = { kind, params };
  clearTimeout(timeout);
  follower.clear();
  put({ flow: { ...AT_REST, starting: true, since: Date.now() }, asked: params.countries ?? state.asked, note: false });
  try {
    const job = await submitted(kind, params);
    pickUp(job.job_id, job);
    byId("now").scrollIntoView({ block: "nearest" });
    return "";
  } catch (error) {
    const ours = error.status === 400 && kind !== MAIN_KIND;
    put({ flow: ours ? AT_REST : { ...AT_REST, problem: { status: error.status ?? 0, message: error.message } } });
    return error.status === 400 ? error.message : "";
  }
}

/** One key for all tries, so that an answer lost on its way never starts two jobs. */
async function submitted(kind, params) {
  const key = api.newKey();
  for (let tries = 1; ; tries += 1) {
    try {
      return await api.submit(kind, params, key);
    } catch (error) {
      if (error.status !== 0 || tries === SUBMIT_TRIES) throw error;
      await new Promise((resolve) => { setTimeout(resolve, 300 * tries); });
    }
  }
}

/** @param {string} jobId @param {Record<string, any> | null} [job] */
function pickUp(jobId, job = null) {
  const own = JSON.parse(remembered("job") ?? "null");
  clearTimeout(timeout);
  timeout = setTimeout(() => follower.stop(), TIMEOUT_MS);
  const flow = { ...AT_REST, since: Date.now(), remembered: own?.job_id === jobId ? own : null };
  state = { ...state, flow, note: false };
  follower.follow(jobId, job?.status === "success" ? null : job);
  keepAddress(history.pushState);
}

function onConnection(connection) {
  const { connection: before, flow } = state;
  const { job } = connection;
  const changes = { connection };
  const first = job && before.job?.job_id !== job.job_id;
  if (first) changes.flow = { ...flow, before: flow.since === null ? 0 : ageOf(job) };
  if (before.lost && !connection.lost && connection.phase !== "gone") changes.note = true;
  if (isTerminal(job) || connection.phase === "gone" || connection.phase === "stopped") end(changes, connection);
  if (job?.expires_at) remember("job", JSON.stringify({ job_id: job.job_id, expires_at: job.expires_at }));
  put(changes);
  if (before.lost && !connection.lost) learnMode();
}

function end(changes, { job, phase }) {
  const flow = changes.flow ?? state.flow;
  clearTimeout(timeout);
  const took = isTerminal(job) && flow.frozen === null ? Date.parse(job.finished_at) - Date.parse(job.created_at) : null;
  if (took !== null) changes.flow = { ...flow, cancelling: false, before: took || 0, frozen: flow.since };
  else if (flow.frozen === null) {
    const since = phase === "gone" && !job ? null : flow.since;
    changes.flow = { ...flow, cancelling: false, since, frozen: Date.now() };
  }
}

async function cancel() {
  const { jobId } = state.connection;
  put({ flow: { ...state.flow, cancelling: true } });
  const job = await api.cancelJob(jobId).catch(() => null);
  if (job) follower.learn(job);
  else put({ flow: { ...state.flow, cancelling: false } });
}

async function stop(jobId) {
  put({ stopping: new Set([...state.stopping, jobId]) });
  const job = await api.cancelJob(jobId).catch(() => null);
  if (job) {
    follower.learn(job);
    onFrame({ type: "job", job: { ...job, data: null } });
  }
  put({ stopping: new Set([...state.stopping].filter((one) => one !== jobId)) });
}

/** Starts anew what was last asked for; after a reload that is a fetch of the countries that are ticked. */
function retry() {
  const { kind } = state.connection.job ?? lastSubmit;
  if (lastSubmit.params && kind === lastSubmit.kind) begin(kind, lastSubmit.params);
  else byId("start-form").requestSubmit();
}

function waitOn() {
  clearTimeout(timeout);
  timeout = setTimeout(() => follower.stop(), TIMEOUT_MS);
  state = { ...state, flow: { ...state.flow, frozen: null } };
  follower.resume();
}

/** The past of some loans of a job came. */
function see(jobId, rows) {
  const known = state.past.jobId === jobId ? state.past.points : [];
  put({ past: { jobId, points: new Map([...known, ...pointsOf(rows)]) } });
}

function onFrame(frame) {
  const jobs = takeFrame(state.jobs, frame);
  if (jobs !== state.jobs) put({ jobs });
}

function showMode(health) {
  const { mode } = health ?? {};
  byId("mode").hidden = mode !== "sandbox" && mode !== "test";
  if (!byId("mode").hidden) setText(byId("mode"), state.t(`mode_${mode}`));
}

async function learnMode() {
  const health = await api.health().catch(() => null);
  if (health) put({ health });
  showMode(state.health);
}

async function learnKinds() {
  const kinds = await api.kinds().catch(() => null);
  if (kinds) put({ kinds });
}

function speak(chosen) {
  translatePage(document, chosen);
  put({ language: chosen, t: translator(chosen), f: formats(chosen) });
  const other = chosen === "sv" ? "en" : "sv";
  setText(byId("language"), other === "en" ? "English" : "Svenska");
  byId("language").lang = other;
  showMode(state.health);
  showTheme();
}

const dark = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light")) === "dark";
const showTheme = () => setText(byId("theme"), state.t(isDark() ? "to_light" : "to_dark"));

byId("language").addEventListener("click", () => {
  const chosen = state.language === "sv" ? "en" : "sv";
  remember("language", chosen);
  speak(chosen);
});
byId("theme").addEventListener("click", () => {
  const chosen = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = chosen;
  remember("theme", chosen);
  showTheme();
});
dark.addEventListener("change", showTheme);
addEventListener("online", () => follower.nudge());
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && follower.nudge());
addEventListener("popstate", () => {
  const { job, order, filters } = readAddress(location);
  put({ order, filters });
  if (job && job !== state.connection.jobId) pickUp(job);
  if (!job && stageOf(state.flow, state.connection) !== "starting") {
    clearTimeout(timeout);
    state = { ...state, flow: AT_REST };
    follower.clear();
  }
});
setInterval(() => {
  put({});
  // Where other processes run the jobs, one that waits may wait for them.
  if (state.health?.workers && stageOf(state.flow, state.connection) === "pending") learnMode();
}, 1000);

speak(language);
if (address.job) pickUp(address.job);
feedJobs(onFrame, (online) => online !== state.online && put({ online }));
learnMode();
learnKinds();
