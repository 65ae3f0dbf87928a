/** The order of the loans: what each column sorts by. Pure. */

/** @typedef {Record<string, any>} Loan as the service's contract describes it */
/** @typedef {{key: string, descending: boolean}} Order */

/** @param {Loan} loan
 * @returns {number | null} what is left to subscribe, never below 0 */
export function leftOf(loan) {
  if (loan.amount === null || loan.subscribed_amount === null || loan.subscribed_amount === undefined) return null;
  return Math.max(0, loan.amount - loan.subscribed_amount);
}

const field = (name) => (loan) => loan[name] ?? null;
const moment = (loan) => Date.parse(loan.closes_at ?? loan.opens_at ?? "") || null;

/** @type {Record<string, (loan: Loan) => string | number | null>} */
export const SORT_KEYS = {
  title: field("title"),
  amount: field("amount"),
  rate: field("interest_rate"),
  months: field("duration_months"),
  risk: field("risk_score"),
  filled: field("funded_fraction"),
  left: leftOf,
  min: field("min_amount"),
  closes: moment,
  state: field("state"),
  bid: field("my_bid_amount"),
};

/** The listing's own order is kept among equals and without an order; what is unknown comes last either way.
 * @param {readonly Loan[]} loans
 * @param {Order | null} order
 * @param {string} locale
 * @returns {Loan[]} a new list */
export function sortLoans(loans, order, locale) {
  const value = order && SORT_KEYS[order.key];
  if (!value) return [...loans];
  const { compare: words } = new Intl.Collator(locale, { numeric: true });
  const sign = order.descending ? -1 : 1;
  const rows = loans.map((loan) => [value(loan), loan]);
  rows.sort(([a], [b]) => {
    if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
    return sign * (typeof a === "string" ? words(a, String(b)) : a - b);
  });
  return rows.map(([, loan]) => loan);
}

/** A click on a header: its column ascending, then descending, then the listing's own order.
 * @param {Order | null} order
 * @param {string} key
 * @returns {Order | null} */
export function nextOrder(order, key) {
  if (order?.key !== key) return { key, descending: false };
  return order.descending ? null : { key, descending: true };
}

/** @param {Order | null} order
 * @param {string} key
 * @returns {"ascending" | "descending" | "none"} the header's `aria-sort` */
export function ariaSort(order, key) {
  if (order?.key !== key) return "none";
  return order.descending ? "descending" : "ascending";
}
