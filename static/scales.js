/** Scales of charts. Pure. */

/** @param {[number, number]} domain
 * @param {[number, number]} range
 * @returns {(value: number) => number} */
export function linear([d0, d1], [r0, r1]) {
  const slope = d1 === d0 ? 0 : (r1 - r0) / (d1 - d0);
  return (value) => r0 + (value - d0) * slope;
}

const NICE = [1, 2, 2.5, 5, 10];

/** Round numbers that enclose `low` to `high`.
 * @param {number} low
 * @param {number} high
 * @param {number} count about how many steps
 * @returns {number[]} ascending, at least two */
export function ticks(low, high, count) {
  const wide = high > low ? high - low : Math.abs(high) || 1;
  const power = 10 ** Math.floor(Math.log10(wide / count));
  const step = power * NICE.find((nice) => nice * power >= wide / count - 1e-12);
  const first = Math.floor(low / step + 1e-9);
  const last = Math.max(first + 1, Math.ceil(high / step - 1e-9));
  return Array.from({ length: last - first + 1 }, (_, n) => Number(((first + n) * step).toPrecision(12)));
}
