/** Which loans are shown. Pure. */

/** @typedef {import("./sort.js").Loan} Loan */
/** @typedef {{q: string, countries: string[], risks: string[], rate: [number | null, number | null],
 *   months: [number | null, number | null], openness: "" | "open" | "full"}} Filters
 * Empty lists, nulls and empty words leave everything in. */

/** @type {Readonly<Filters>} */
export const NO_FILTERS = Object.freeze({
  q: "",
  countries: [],
  risks: [],
  rate: [null, null],
  months: [null, null],
  openness: "",
});

/** @param {Loan} loan
 * @returns {boolean} whether it is subscribed in full */
export const isFull = (loan) => (loan.funded_fraction ?? 0) >= 1;

/** @param {Loan} loan
 * @param {number} now in milliseconds
 * @returns {boolean} whether one can still subscribe, now or once it opens */
export const isOpen = (loan, now) => !isFull(loan) && !(Date.parse(loan.closes_at ?? "") <= now);

const within = (value, [low, high]) => {
  if (low === null && high === null) return true;
  return value !== null && value !== undefined && value >= (low ?? -Infinity) && value <= (high ?? Infinity);
};

const folded = (text) => String(text ?? "").toLowerCase();

/** Every word must be found, in the title, the teaser, the state or as the whole id.
 * @param {Loan} loan
 * @param {string[]} words in lower case
 * @returns {boolean} */
function says(loan, words) {
  if (words.length === 0) return true;
  const text = folded(`${loan.title}\n${loan.teaser ?? ""}\n${loan.state ?? ""}`);
  return words.every((word) => text.includes(word) || word.replace(/^#/, "") === String(loan.id));
}

/** @param {readonly Loan[]} loans
 * @param {Filters} filters
 * @param {number} now in milliseconds
 * @returns {Loan[]} */
export function filterLoans(loans, filters, now) {
  const words = folded(filters.q).split(/\s+/).filter(Boolean);
  const { countries, risks, openness } = filters;
  return loans.filter(
    (loan) =>
      (countries.length === 0 || countries.includes(loan.country)) &&
      (risks.length === 0 || risks.includes(loan.risk_score)) &&
      within(loan.interest_rate, filters.rate) &&
      within(loan.duration_months, filters.months) &&
      (openness === "" || (openness === "full" ? isFull(loan) : isOpen(loan, now))) &&
      says(loan, words),
  );
}

/** @param {Filters} filters
 * @returns {boolean} whether they leave anything out */
export const isFiltering = (filters) =>
  Boolean(
    filters.q.trim() ||
      filters.countries.length ||
      filters.risks.length ||
      filters.openness ||
      [...filters.rate, ...filters.months].some((edge) => edge !== null),
  );

const distinct = (values) => [...new Set(values.filter(Boolean))].sort();

/** @param {readonly Loan[]} loans
 * @returns {{countries: string[], risks: string[]}} what there is to choose between */
export const choices = (loans) => ({
  countries: distinct(loans.map((loan) => loan.country)),
  risks: distinct(loans.map((loan) => loan.risk_score)),
});

/** @param {readonly Loan[]} loans
 * @param {string} name of a field that is a number
 * @returns {[number, number] | [null, null]} the least and the largest */
export function edges(loans, name) {
  const values = loans.map((loan) => loan[name]).filter((value) => value !== null && value !== undefined);
  return values.length ? [Math.min(...values), Math.max(...values)] : [null, null];
}

/** @template T
 * @param {readonly T[]} list
 * @param {T} value
 * @returns {T[]} the list with the value put in or taken out */
export const toggled = (list, value) =>
  list.includes(value) ? list.filter((one) => one !== value) : [...list, value].sort();
