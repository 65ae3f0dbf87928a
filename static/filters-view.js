/** Search and filters on the page. */
import { byId, make, setAttribute, setChildren, setText } from "./dom.js";
import { choices, edges, isFiltering, NO_FILTERS, toggled } from "./filter.js";

/** Fewer loans than this are seen at a glance: no filters, no charts. */
export const ENOUGH = 5;

const EDGES = { "rate-low": ["rate", 0], "rate-high": ["rate", 1], "months-low": ["months", 0], "months-high": ["months", 1] };

/** @param {(filters: import("./filter.js").Filters) => void} onChange */
export function createFilters(onChange) {
  const chips = new Map();
  let filters = NO_FILTERS;
  const change = (changes) => onChange({ ...filters, ...changes });

  byId("search").addEventListener("input", ({ target }) => change({ q: target.value }));
  byId("clear").addEventListener("click", () => {
    byId("search").focus();
    change(NO_FILTERS);
  });
  byId("filter-openness").addEventListener("click", ({ target }) => {
    const chosen = target.dataset?.openness;
    if (chosen) change({ openness: filters.openness === chosen ? "" : chosen });
  });
  for (const [id, [name, end]] of Object.entries(EDGES)) {
    byId(id).addEventListener("input", ({ target }) => {
      const number = Number.isFinite(target.valueAsNumber) ? target.valueAsNumber : null;
      change({ [name]: filters[name].map((edge, n) => (n === end ? number : edge)) });
    });
  }

  function chip(name, value) {
    const key = `${name} ${value}`;
    if (!chips.has(key)) {
      const button = Object.assign(make("button"), { type: "button" });
      button.addEventListener("click", () => change({ [name]: toggled(filters[name], value) }));
      chips.set(key, button);
    }
    return chips.get(key);
  }

  function group(id, name, values, write) {
    const buttons = values.map((value) => chip(name, value));
    buttons.forEach((button, n) => {
      setText(button, write(values[n]));
      setAttribute(button, "aria-pressed", filters[name].includes(values[n]));
    });
    setChildren(byId(id), buttons);
    byId(id).hidden = values.length < 2;
  }

  /** @param {{loans: any[], shown: any[], filters: any, t: any, f: any}} view */
  function update(view) {
    const { loans, shown, t, f } = view;
    filters = view.filters;
    const there = choices(loans);
    const active = isFiltering(filters);
    byId("filters").hidden = loans.length < 2 && !active;
    byId("refine").hidden = loans.length < ENOUGH && !active;
    group("filter-countries", "countries", there.countries, t);
    group("filter-risks", "risks", there.risks, (risk) => risk);
    for (const button of byId("filter-openness").children) {
      setAttribute(button, "aria-pressed", filters.openness === button.dataset.openness);
    }
    const search = byId("search");
    search.placeholder = t("search");
    if (search.value.trim() !== filters.q.trim()) search.value = filters.q;
    const reach = { rate: edges(loans, "interest_rate"), months: edges(loans, "duration_months") };
    for (const [id, [name, end]] of Object.entries(EDGES)) {
      fill(byId(id), filters[name][end]);
      byId(id).placeholder = f.number(reach[name][end]);
    }
    const values = { n: f.whole(shown.length), total: f.whole(loans.length), count: loans.length };
    setText(byId("showing"), active ? t("showing", values) : "");
    byId("clear").hidden = !active;
  }

  return { update };
}

/** What is being typed stays as it is. */
function fill(input, value) {
  const now = Number.isFinite(input.valueAsNumber) ? input.valueAsNumber : null;
  if (now !== value && document.activeElement !== input) input.value = value ?? "";
}
