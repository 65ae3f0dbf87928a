/** The cards of totals, one a currency. */
import { byId, setChildren } from "./dom.js";
import { totals } from "./totals.js";

/** A number with its unit set small. */
function big(element, text, unit) {
  const small = document.createElement("small");
  small.textContent = unit;
  element.replaceChildren(text, ...(unit ? ["\u00a0", small] : []));
}

function write(card, { currency, loans, sought, left, rate }, { t, f, country }) {
  const [heading, list] = card.children;
  const [soughtAt, leftAt, rateAt] = list.querySelectorAll("dd");
  const count = document.createElement("b");
  count.textContent = t("loans", { n: f.whole(loans), count: loans });
  heading.replaceChildren(count, [country && t(country), currency].filter(Boolean).join(", "));
  for (const term of list.querySelectorAll("dt")) term.textContent = t(term.dataset.t);
  big(soughtAt, f.millions(sought), t("millions"));
  big(leftAt, f.millions(left), t("millions"));
  big(rateAt, rate === null ? f.none : f.rate(rate), rate === null ? "" : t("weighted"));
}

/** @returns {{update: (view: {shown: any[], t: any, f: any}) => void}} */
export function createTotals() {
  const cards = new Map();
  const template = byId("total-card").content;
  let drawn = {};

  function cardOf(currency) {
    if (!cards.has(currency)) cards.set(currency, template.firstElementChild.cloneNode(true));
    return cards.get(currency);
  }

  function update({ shown, t, f }) {
    if (shown === drawn.shown && f === drawn.f) return;
    drawn = { shown, f };
    const countries = new Map(shown.map((loan) => [loan.currency ?? "", loan.country]));
    const sums = totals(shown);
    for (const sum of sums) write(cardOf(sum.currency), sum, { t, f, country: countries.get(sum.currency) });
    setChildren(byId("totals"), sums.map((sum) => cardOf(sum.currency)));
  }

  return { update };
}
