/** The result of a kind that the page has no view for: its table as a table, everything else as a list. */
import { make } from "./dom.js";

const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/;

/** @param {unknown} value
 * @param {(key: string) => string} t
 * @param {import("./format.js").Formats} f
 * @returns {string} */
export function plainText(value, t, f) {
  if (value === null || value === undefined || value === "") return f.none;
  if (typeof value === "boolean") return t(value ? "yes" : "no");
  if (typeof value === "number") return f.number(value);
  if (typeof value === "string") return MOMENT.test(value) ? f.moment(value) : value;
  return JSON.stringify(value);
}

const title = (name) => name.replaceAll("_", " ").replace(/^./, (first) => first.toUpperCase());

function list(entries, t, f) {
  const table = make("table", "", "plain");
  const body = make("tbody");
  for (const [name, value] of entries) {
    const row = make("tr");
    row.append(Object.assign(make("th", title(name)), { scope: "row" }), make("td", plainText(value, t, f)));
    body.append(row);
  }
  table.append(body);
  return table;
}

function grid(rows, t, f) {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const table = make("table", "", "plain");
  const [head, body] = [make("tr"), make("tbody")];
  head.append(...names.map((name) => Object.assign(make("th", title(name)), { scope: "col" })));
  for (const row of rows) {
    const line = make("tr");
    line.append(...names.map((name) => make("td", plainText(row[name], t, f))));
    body.append(line);
  }
  const top = make("thead");
  top.append(head);
  table.append(top, body);
  return table;
}

function scrolling(table, name) {
  const box = make("div", "", "plain-scroll");
  box.tabIndex = 0;
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", name);
  box.append(table);
  return box;
}

/** @param {unknown} data
 * @param {{table?: string | null} | undefined} kind
 * @returns {HTMLElement[]} */
export function plainResult(data, kind, t, f) {
  if (data === null || typeof data !== "object") return [make("p", plainText(data, t, f))];
  const rows = kind?.table ? data[kind.table] : null;
  const rest = Object.entries(data).filter(([name]) => !(rows && name === kind.table));
  const parts = [];
  if (Array.isArray(rows)) {
    parts.push(make("p", t("rows", { n: f.whole(rows.length), count: rows.length }), "note"));
    if (rows.length) parts.push(scrolling(grid(rows, t, f), title(kind.table)));
  }
  if (rest.length) parts.push(scrolling(list(rest, t, f), t("values")));
  return parts;
}
