/** The least that a test needs: cases by name, and two assertions. */
export const cases = new Map();

export function test(name, run) {
  if (cases.has(name)) throw new Error(`two cases are called ${name}`);
  cases.set(name, run);
}

const ordered = (value) =>
  value && typeof value === "object" && !Array.isArray(value) ? Object.fromEntries(Object.entries(value).sort()) : value;
const text = (value) => JSON.stringify(value, (_, part) => (part === undefined ? "(undefined)" : ordered(part)));

export function equal(found, wanted) {
  if (text(found) !== text(wanted)) throw new Error(`found ${text(found)}, wanted ${text(wanted)}`);
}

export function ok(found, why) {
  if (!found) throw new Error(why);
}
