/** Translation: pure but for `translatePage`, which fills the elements that carry `data-t`. */
import en from "./words-en.js";
import sv from "./words-sv.js";

/** @typedef {"sv" | "en"} Language */

const WORDS = { sv, en };
const PLURALS = { sv: new Intl.PluralRules("sv"), en: new Intl.PluralRules("en") };

/** English for those whose first language that we know is English; Swedish for everybody else.
 * @param {readonly string[]} preferred as in `navigator.languages`
 * @param {string | null} [remembered] what the reader chose before
 * @returns {Language} */
export function chooseLanguage(preferred, remembered = null) {
  if (remembered === "sv" || remembered === "en") return remembered;
  const known = preferred.map((tag) => tag.toLowerCase().split("-")[0]);
  const nordic = ["sv", "nb", "nn", "no", "da"];
  return known.find((tag) => tag === "en" || nordic.includes(tag)) === "en" ? "en" : "sv";
}

/** @param {Language} language
 * @returns {(key: string, values?: Record<string, string | number>) => string} a translator; `values.n` (or
 *   `values.count`, when `n` is already formatted) picks the plural. An unknown key comes back as it is. */
export function translator(language) {
  const words = WORDS[language];
  return (key, values = {}) => {
    const count = values.count ?? values.n;
    const plural = count === undefined ? "" : `${key}_${PLURALS[language].select(Number(count))}`;
    const text = words[plural] ?? words[key] ?? key;
    return text.replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
  };
}

/** Fills every element with `data-t` (text) and `data-t-label` (accessible name) below `root`.
 * @param {Document} root
 * @param {Language} language */
export function translatePage(root, language) {
  const t = translator(language);
  root.documentElement.lang = language;
  root.title = `${t("title")} · kameo-async`;
  for (const element of root.querySelectorAll("[data-t]")) element.textContent = t(element.dataset.t);
  for (const element of root.querySelectorAll("[data-t-label]")) {
    element.setAttribute("aria-label", t(element.dataset.tLabel));
  }
}
