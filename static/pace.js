/** How fast a loan fills up, and when it is full if that goes on. Pure. */
import { leftOf } from "./sort.js";

const HOUR = 3_600_000;
const MINUTE = 60_000;
/** From here on amounts are told in millions. */
const MANY = 1e7;
/** Further ahead than this a guess is none. */
const HORIZON = 30 * 24 * HOUR;

/** @param {Record<string, any>} loan
 * @param {number} seenAt when it was fetched, in milliseconds
 * @returns {number | null} when it is full at its present speed; null when that is not before it closes */
export function fullAt(loan, seenAt) {
  const [pace, left] = [loan.subscribed_per_hour, leftOf(loan)];
  if (!(pace > 0) || !left) return null;
  const at = seenAt + (left / pace) * HOUR;
  const end = Math.min(Date.parse(loan.closes_at ?? "") || Infinity, seenAt + HORIZON);
  return at <= end ? at : null;
}

/** @param {Record<string, any>} loan
 * @param {number} seenAt
 * @param {number} now
 * @param {(key: string, values?: object) => string} t
 * @param {import("./format.js").Formats} f
 * @returns {string} "≈ 180 000 kr/tim, full om ca 3 tim"; "" for a loan that stands still or is seen first */
export function paceText(loan, seenAt, now, t, f) {
  const pace = loan.subscribed_per_hour;
  if (!(pace > 0)) return "";
  const { currency } = loan;
  const amount = pace < MANY ? f.rough(pace) : `${f.rough(pace / 1e6)} ${t("millions")}`;
  const unit = ["SEK", "NOK", "DKK"].includes(currency) ? t("crowns") : (currency ?? "");
  const speed = t("per_hour", { amount, unit }).replace(/\s+\//, "/");
  const at = fullAt(loan, seenAt);
  if (at === null || at <= now) return speed;
  return `${speed}, ${at - now < MINUTE ? t("full_soon") : t("full_in", { time: f.about(at - now) })}`;
}
