/** The result of a job on the page: loans with all that belongs to them, or whatever another kind gives. */
import { resultPath } from "./api.js";
import { changesText, formerOf, marksOf } from "./changes.js";
import { createCharts } from "./charts.js";
import { byId, make, setAttribute, setText } from "./dom.js";
import { filterLoans } from "./filter.js";
import { createFilters, ENOUGH } from "./filters-view.js";
import { kindName } from "./jobs-state.js";
import { createPast } from "./past.js";
import { plainResult } from "./plain.js";
import { sortLoans } from "./sort.js";
import { createTable } from "./table.js";
import { createTotals } from "./totals-view.js";

const NO_LOANS = [];

/** @param {{sort: (key: string) => void, filter: (filters: any) => void,
 *   see: (jobId: string, rows: Record<string, any>[]) => void}} actions */
export function createResult({ sort, filter, see }) {
  const table = createTable(sort);
  const totals = createTotals();
  const filters = createFilters(filter);
  const charts = createCharts();
  const past = createPast(see);
  let [seen, shownFor, shown] = [null, [], NO_LOANS];

  /** The same list as long as nothing changed, so that components see at once that there is nothing to do. */
  function choose(loans, state) {
    const { filters: chosen, order, f, now } = state;
    const minute = chosen.openness ? Math.floor(now / 60_000) : 0;
    const from = [loans, chosen, order, f.locale, minute];
    if (!from.every((part, n) => part === shownFor[n])) {
      shownFor = from;
      shown = sortLoans(filterLoans(loans, chosen, now), order, f.locale);
    }
    return shown;
  }

  function updateLoans(loans, state) {
    const { job, t, f } = state;
    const { changes } = job.data;
    const marks = marksOf(changes, loans);
    const view = { ...state, loans, shown: choose(loans, state), marks, former: formerOf(changes) };
    byId("loans").hidden = loans.length === 0;
    byId("loans").classList.toggle("few", loans.length < ENOUGH);
    if (loans.length) for (const part of [totals, filters, charts, table, past]) part.update(view);
    byId("table").hidden = view.shown.length === 0;
    setText(byId("since"), changesText(changes, marks, t, f, state.now));
    byId("since").hidden = byId("since").textContent === "";
    const countries = f.list((job.params?.countries ?? state.asked).map((code) => t(code)));
    const nothing = loans.length ? t("none_match") : t("no_loans_hint", { countries });
    setText(byId("empty"), nothing);
    byId("empty").hidden = view.shown.length > 0;
  }

  function updateHead(loans, { job, t, f, kindOf }) {
    const pages = job.data?.pages;
    const count = loans && (loans.length ? t("loans", { n: f.whole(loans.length), count: loans.length }) : t("no_loans"));
    setText(byId("result-title"), count || kindName(job, t, kindOf(job.kind)));
    const time = f.moment(job.finished_at);
    const facts = [loans ? t("fetched_at", { time }) : time];
    if (loans && pages) facts.unshift(t("pages", { n: pages }));
    setText(byId("result-note"), facts.join(", "));
    setText(byId("warnings-title"), t("warnings", { n: job.data?.warnings?.length ?? 0 }));
  }

  function updateOnce({ job, kindOf, f, t }) {
    const tabular = Boolean(kindOf(job.kind)?.table ?? Array.isArray(job.data?.loans));
    const name = `${job.kind}-${job.finished_at?.slice(0, 10)}`;
    const locale = f.locale.startsWith("sv") ? { locale: "sv" } : {};
    const links = { csv: { format: "csv", ...locale }, xlsx: { format: "xlsx" }, json: {} };
    for (const [id, query] of Object.entries(links)) {
      setAttribute(byId(id), "href", resultPath(job.job_id, query));
      setAttribute(byId(id), "download", `${name}.${id}`);
      byId(id).hidden = id !== "json" && !tabular;
    }
    const warnings = job.data?.warnings ?? [];
    byId("downloads").hidden = job.data?.loans?.length === 0;
    byId("warnings").hidden = warnings.length === 0;
    byId("warnings-list").replaceChildren(...warnings.map((warning) => make("li", warning)));
    const loans = Array.isArray(job.data?.loans);
    byId("other-result").replaceChildren(...(loans ? [] : plainResult(job.data, kindOf(job.kind), t, f)));
    byId("other-result").hidden = loans;
  }

  /** @param {Record<string, any>} state */
  function update(state) {
    const { connection, f, kinds } = state;
    const job = connection.job?.status === "success" ? connection.job : null;
    byId("result").hidden = !job;
    if (!job) return;
    const loans = Array.isArray(job.data?.loans) ? job.data.loans : null;
    const view = { ...state, job };
    if (!seen || seen.job !== job || seen.f !== f || seen.kinds !== kinds) updateOnce(view);
    seen = { job, f, kinds };
    updateHead(loans, view);
    if (loans) return updateLoans(loans, view);
    for (const id of ["loans", "since", "empty"]) byId(id).hidden = true;
    return undefined;
  }

  return { update };
}
