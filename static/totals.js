/** Sums over loans, by currency: krona, krone and krone are never added up. Pure. */
import { leftOf } from "./sort.js";

/** @typedef {{currency: string, loans: number, sought: number, left: number, rate: number | null}} Total
 * Amounts in the currency; the rate is the mean in per cent per year, weighted by amount. */

/** @param {readonly import("./sort.js").Loan[]} loans
 * @returns {Total[]} most loans first */
export function totals(loans) {
  return [...grouped(loans, (loan) => loan.currency ?? "")]
    .map(([currency, members]) => total(currency, members))
    .sort((a, b) => b.loans - a.loans || a.currency.localeCompare(b.currency));
}

function total(currency, loans) {
  const sum = (value) => loans.reduce((all, loan) => all + (value(loan) ?? 0), 0);
  const rated = loans.filter((loan) => loan.interest_rate !== null && loan.interest_rate !== undefined);
  const weight = rated.reduce((all, loan) => all + loan.amount, 0);
  const weighted = rated.reduce((all, loan) => all + loan.amount * loan.interest_rate, 0);
  const sought = sum((loan) => loan.amount);
  return { currency, loans: loans.length, sought, left: sum(leftOf), rate: weight ? weighted / weight : null };
}

/** @template T
 * @param {readonly T[]} items
 * @param {(item: T) => string} key
 * @returns {Map<string, T[]>} the items by key, in order of first sight */
export function grouped(items, key) {
  const groups = new Map();
  for (const item of items) {
    const name = key(item);
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(item);
  }
  return groups;
}
