/** The few things that every component does to the page. Text goes in as text, never as HTML. */

/** @param {string} id
 * @returns {any} the element; it is in index.html, so it is there */
export const byId = (id) => document.getElementById(id);

/** Writes only what changed, so that a live region stays silent and a selection stands.
 * @param {Element} element
 * @param {string} text */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** @param {Element} element
 * @param {string} name
 * @param {string | number | null} value null takes it away */
export function setAttribute(element, name, value) {
  if (value === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, String(value));
}

/** @param {string} tag
 * @param {string} [text]
 * @param {string} [className]
 * @returns {HTMLElement} */
export function make(tag, text = "", className = "") {
  const element = document.createElement(tag);
  if (text) element.textContent = text;
  if (className) element.className = className;
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

/** @param {string} tag
 * @param {Record<string, string | number>} attributes
 * @param {string} [text]
 * @returns {SVGElement} */
export function shape(tag, attributes, text = "") {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  if (text) element.textContent = text;
  return element;
}

/** Keeps the list of rows below `parent` as they are when nothing changed.
 * @param {Element} parent
 * @param {Element[]} children */
export function setChildren(parent, children) {
  const same = parent.children.length === children.length && children.every((one, n) => parent.children[n] === one);
  if (!same) parent.replaceChildren(...children);
}

/** @param {unknown} address
 * @returns {string | null} it, when it leads to the web and nowhere else */
export const webAddress = (address) => (/^https?:\/\//i.test(String(address ?? "")) ? String(address) : null);

/** What the reader chose, in this browser; nothing where storage is off.
 * @param {string} name
 * @returns {string | null} */
export function remembered(name) {
  try {
    return localStorage.getItem(`kameo-async.${name}`);
  } catch {
    return null;
  }
}

/** @param {string} name
 * @param {string} value */
export function remember(name, value) {
  try {
    localStorage.setItem(`kameo-async.${name}`, value);
  } catch {
    /* Storage is off: the choice lasts as long as the page. */
  }
}
