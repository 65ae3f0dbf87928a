/** What differs from the fetch before, where the result tells it. Pure. */
import { leftOf } from "./sort.js";

/** @typedef {{id: unknown, field: string, from: any, to: any}} Change */

/** @typedef {{since: string | null, new?: unknown[], gone?: unknown[],
 *   changed?: Change[]} | null | undefined} Changes */

/** @param {Changes} changes
 * @param {readonly Record<string, any>[]} loans as they are now
 * @returns {Set<unknown>} ids of those that lacked something then and are subscribed in full now */
export function filledUp(changes, loans) {
  const former = formerOf(changes);
  const lacked = ({ subscribed_amount: has, amount: sought }) => has !== null && has < sought;
  const became = loans.filter((loan) => {
    const then = former.get(loan.id);
    return then && loan.funded_fraction >= 1 && lacked({ ...loan, ...then });
  });
  return new Set(became.map(({ id }) => id));
}

/** @param {Changes} changes
 * @returns {Map<unknown, Record<string, any>>} by id, what the fields that differ were then */
export function formerOf(changes) {
  const former = new Map();
  for (const { id, field, from } of changes?.changed ?? []) former.set(id, { ...former.get(id), [field]: from });
  return former;
}

/** @param {Changes} changes
 * @param {readonly Record<string, any>[]} loans
 * @returns {Map<unknown, "new" | "full" | "changed">} by id, each with what matters most */
export function marksOf(changes, loans) {
  const marks = new Map((changes?.changed ?? []).map(({ id }) => [id, "changed"]));
  for (const id of filledUp(changes, loans)) marks.set(id, "full");
  for (const id of changes?.new ?? []) marks.set(id, "new");
  return marks;
}

/** @param {Changes} changes
 * @param {ReturnType<typeof marksOf>} marks
 * @returns {string} "Sedan i går 14:10: 2 nya, 1 fullt"; "" where there is nothing to tell */
export function changesText(changes, marks, t, f, now) {
  if (!changes?.since) return "";
  const marked = (mark) => [...marks.values()].filter((one) => one === mark).length;
  const counts = { new: marked("new"), full: marked("full"), gone: changes.gone?.length ?? 0, changed: marked("changed") };
  const parts = Object.entries(counts).filter(([, count]) => count > 0);
  const told = parts.map(([name, count]) => t(`change_${name}`, { n: f.whole(count), count })).join(", ");
  return told && t("since", { time: f.lately(changes.since, now) }) + told;
}

/** How each field that is told is written, in this order; of a text it is enough that it was another. */
const TOLD = {
  interest_rate: "rate",
  amount: "money",
  duration_months: "whole",
  risk_score: "text",
  min_amount: "money",
  state: "text",
  opens_at: "moment",
  closes_at: "moment",
};
const NAMED = ["title", "teaser"];

const filledOf = ({ subscribed_amount: has, amount: sought }) => (sought ? has / sought : null);

/** What it is now stands in the same row already.
 * @param {Record<string, any>} loan as it is now
 * @param {Record<string, any> | undefined} former what the fields that differ were
 * @param {(key: string, values?: object) => string} t
 * @param {import("./format.js").Formats} f
 * @returns {string} "Förut: ränta 9 %, kvar 400 000"; "" where nothing differs */
export function formerText(loan, former, t, f) {
  if (!former) return "";
  const was = (name, value) => `${t(`was_${name}`)}\u00a0${value}`;
  const write = { ...f, text: (value) => value ?? f.none };
  const parts = Object.entries(TOLD)
    .filter(([name]) => name in former)
    .map(([name, way]) => was(name, write[way](former[name])));
  const then = { ...loan, ...former };
  if (leftOf(then) !== leftOf(loan)) parts.push(was("left", f.money(leftOf(then))));
  else if ("subscribed_amount" in former) parts.push(was("filled", f.filled(filledOf(then))));
  parts.push(...NAMED.filter((name) => name in former).map((name) => t(`was_${name}`)));
  return parts.length ? t("former", { what: parts.join(", ") }) : "";
}
