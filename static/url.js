/** What the address remembers: the job in the fragment, order and filters in the query. Pure. */
import { NO_FILTERS } from "./filter.js";
import { SORT_KEYS } from "./sort.js";

/** @typedef {{job: string | null, order: import("./sort.js").Order | null,
 *   filters: import("./filter.js").Filters}} Remembered */

const JOB_ID = /^[A-Za-z0-9-]{1,64}$/;

const words = (text) => (text ?? "").split(",").filter(Boolean);

function range(text) {
  const [low = "", high = ""] = (text ?? "").split("..");
  const edge = (part) => (part.trim() === "" || !Number.isFinite(Number(part)) ? null : Number(part));
  return /** @type {[number | null, number | null]} */ ([edge(low), edge(high)]);
}

function order(text) {
  const key = (text ?? "").replace(/^-/, "");
  return Object.hasOwn(SORT_KEYS, key) ? { key, descending: text.startsWith("-") } : null;
}

/** @param {{search: string, hash: string}} location what is broken in it counts as absent
 * @returns {Remembered} */
export function readAddress({ search, hash }) {
  const query = new URLSearchParams(search);
  const job = new URLSearchParams(hash.replace(/^#/, "")).get("job");
  const openness = query.get("state");
  return {
    job: job && JOB_ID.test(job) ? job : null,
    order: order(query.get("sort")),
    filters: {
      q: query.get("q") ?? "",
      countries: words(query.get("country")),
      risks: words(query.get("risk")),
      rate: range(query.get("rate")),
      months: range(query.get("months")),
      openness: openness === "open" || openness === "full" ? openness : "",
    },
  };
}

const span = ([low, high]) => (low === null && high === null ? "" : `${low ?? ""}..${high ?? ""}`);

/** @param {Remembered} remembered
 * @returns {string} an address relative to the page's own, the shortest that says it */
export function writeAddress({ job, order: by, filters = NO_FILTERS }) {
  const query = new URLSearchParams();
  const put = (name, value) => value && query.set(name, value);
  put("q", filters.q.trim());
  put("country", filters.countries.join(","));
  put("risk", filters.risks.join(","));
  put("rate", span(filters.rate));
  put("months", span(filters.months));
  put("state", filters.openness);
  put("sort", by ? `${by.descending ? "-" : ""}${by.key}` : "");
  const search = query.toString().replaceAll("%2C", ",");
  return `${search ? `?${search}` : "/"}${job ? `#job=${job}` : ""}`;
}
