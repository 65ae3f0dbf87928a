/** What differs from the fetch before, where the result tells it. Pure. */

/** @typedef {{since: string | null, new?: unknown[], gone?: unknown[],
 *   changed?: {id: unknown, field: string, from: any, to: any}[]} | null | undefined} Changes */

/** @param {Changes} changes
 * @param {readonly Record<string, any>[]} loans as they are now
 * @returns {Set<unknown>} ids of those that lacked something then and are subscribed in full now */
export function filledUp(changes, loans) {
  const before = new Map();
  for (const { id, field, from } of changes?.changed ?? []) before.set(id, { ...before.get(id), [field]: from });
  const lacked = ({ subscribed_amount: has, amount: sought }) => has !== null && has < sought;
  const became = loans.filter((loan) => {
    const then = before.get(loan.id);
    return then && loan.funded_fraction >= 1 && lacked({ ...loan, ...then });
  });
  return new Set(became.map(({ id }) => id));
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
