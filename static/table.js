/** The table of loans. A loan's row is made once; sorting and filtering only put rows in and take them out. */
import { formerText } from "./changes.js";
import { BOX, curveOf, curveText } from "./curve.js";
import { byId, make, setAttribute, setChildren, shape, webAddress } from "./dom.js";
import { paceText } from "./pace.js";
import { ariaSort, leftOf } from "./sort.js";

/** Told in so many words, because the small screen's layout takes the meaning of rows and cells away. */
const ROLES = { table: "table", thead: "rowgroup", tbody: "rowgroup", tr: "row", td: "cell" };
const MINUTE = 60_000;

/** @param {string | null | undefined} risk
 * @returns {string} the class of its colour; `r5` for what is unknown */
export const riskClass = (risk) => {
  const place = risk ? "ABCDE".indexOf(risk.slice(0, 1).toUpperCase()) : -1;
  return `r${place < 0 ? 5 : place}`;
};

function giveRoles(root) {
  for (const [tag, role] of Object.entries(ROLES)) {
    for (const element of root.querySelectorAll(tag)) element.setAttribute("role", role);
  }
  for (const head of root.querySelectorAll("th")) {
    head.setAttribute("role", head.scope === "row" ? "rowheader" : "columnheader");
  }
}

/** When one can subscribe, as words and as two times.
 * @param {Record<string, any>} loan
 * @param {number} now
 * @param {(key: string, values?: object) => string} t
 * @param {import("./format.js").Formats} f
 * @returns {[string, string]} */
export function whenTexts(loan, now, t, f) {
  const { opens_at: opens, closes_at: closes } = loan;
  if (!opens && !closes) return [f.none, ""];
  const span = opens && closes ? `${f.moment(opens)} – ${f.moment(closes)}` : f.moment(opens ?? closes);
  if (Date.parse(opens ?? "") > now) return [t("opens", { when: f.relative(opens, now) }), span];
  if (!closes) return [t("open"), span];
  return [t(Date.parse(closes) > now ? "closes" : "closed", { when: f.relative(closes, now) }), span];
}

/** @param {(key: string) => void} onSort a header was pressed */
export function createTable(onSort) {
  const template = byId("loan-row").content;
  const heads = [...byId("table").querySelectorAll("thead th")];
  const rows = new Map();
  let drawn = {};
  giveRoles(template);
  giveRoles(byId("table").parentElement);
  byId("table").setAttribute("role", ROLES.table);
  byId("table").tHead.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) onSort(button.dataset.key);
  });

  function rowOf(loan) {
    if (!rows.has(loan)) rows.set(loan, template.firstElementChild.cloneNode(true));
    return rows.get(loan);
  }

  function write(loan, context) {
    const { t, f, labels } = context;
    const { cells } = rowOf(loan);
    const money = (value) => f.money(value);
    const texts = {
      2: f.rate(loan.interest_rate),
      3: f.whole(loan.duration_months),
      6: money(leftOf(loan)),
      7: money(loan.min_amount),
      9: loan.state ?? f.none,
      10: loan.my_bid_amount ? money(loan.my_bid_amount) : f.none,
    };
    for (const [place, text] of Object.entries(texts)) cells[place].textContent = text;
    for (let place = 1; place < cells.length; place += 1) cells[place].dataset.label = labels[place];
    cells[10].toggleAttribute("data-none", !loan.my_bid_amount);
    cells[1].replaceChildren(f.money(loan.amount), "\u00a0", make("small", loan.currency ?? ""));
    writeTitle(cells[0], loan, context);
    const risk = cells[4].firstElementChild;
    const dot = make("i", "", riskClass(loan.risk_score));
    risk.replaceChildren(...(loan.risk_score ? [dot, loan.risk_score] : [f.none]));
    const [meter, filled] = cells[5].children;
    meter.firstElementChild.style.width = `${100 * Math.min(1, loan.funded_fraction ?? 0)}%`;
    filled.textContent = f.filled(loan.funded_fraction);
    writeTimes(loan, context);
    writeCurve(loan, context);
  }

  /** What is told in relation to now. */
  function writeTimes(loan, { t, f, now, job }) {
    const { cells } = rowOf(loan);
    const [when, span] = cells[8].children;
    [when.textContent, span.textContent] = whenTexts(loan, now, t, f);
    cells[0].lastElementChild.textContent = paceText(loan, Date.parse(job.finished_at), now, t, f);
  }

  function writeCurve(loan, { t, f, now, job, past }) {
    const [, filled, old] = rowOf(loan).cells[5].children;
    const points = past.jobId === job.job_id ? (past.points.get(loan.id) ?? []) : [];
    const curve = curveOf(points, Date.parse(job.finished_at));
    old?.remove();
    if (curve) filled.after(drawCurve(curve, curveText(points, now, t, f)));
  }

  /** @param {{loans: any[], shown: any[], order: any, marks: Map<any, string>,
   *   former: Map<any, Record<string, any>>, job: any, past: any, t: any, f: any,
   *   now: number}} view */
  function update(view) {
    const { loans, shown, order, past, f, now } = view;
    const minute = Math.floor(now / MINUTE);
    if (loans !== drawn.loans) rows.clear();
    if (loans !== drawn.loans || f !== drawn.f) {
      const labels = heads.map((head) => head.textContent);
      for (const loan of loans) write(loan, { ...view, labels });
    } else {
      if (minute !== drawn.minute) for (const loan of loans) writeTimes(loan, view);
      if (past !== drawn.past) for (const loan of loans) writeCurve(loan, view);
    }
    if (shown !== drawn.shown) setChildren(byId("rows"), shown.map(rowOf));
    for (const head of heads) setAttribute(head, "aria-sort", ariaSort(order, head.firstElementChild.dataset.key));
    drawn = { loans, shown, past, f, minute };
  }

  return { update };
}

function drawCurve({ line, goal, end }, text) {
  const svg = shape("svg", {
    class: "curve", role: "img", "aria-label": text, viewBox: `0 0 ${BOX.width} ${BOX.height}`, preserveAspectRatio: "none",
  });
  for (const [name, d] of [["goal", goal], ["line", line], ["end", end]]) {
    if (d) svg.append(shape("path", { class: name, d, "vector-effect": "non-scaling-stroke" }));
  }
  return svg;
}

function writeTitle(cell, loan, { marks, former, t, f }) {
  const [link, teaser, meta, change] = cell.children;
  const address = webAddress(loan.url);
  link.textContent = loan.title;
  if (address) Object.assign(link, { href: address, target: "_blank", rel: "noopener noreferrer" });
  teaser.textContent = (loan.teaser ?? "").replace(/^#\d+\s*\|\s*/, "");
  const mark = marks.get(loan.id);
  const value = loan.loan_to_value;
  const facts = [loan.country && t(loan.country), `#${loan.id}`];
  if (value !== null && value !== undefined) facts.push(t("loan_to_value", { percent: f.filled(value) }));
  const badge = mark === "new" || mark === "full" ? [make("b", t(`badge_${mark}`), mark)] : [];
  meta.replaceChildren(...badge, facts.filter(Boolean).join(" · "));
  change.textContent = formerText(loan, former.get(loan.id), t, f);
}
