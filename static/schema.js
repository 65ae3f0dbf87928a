/** From the JSON Schema of a kind's params to the fields of a form, and from what was typed back to params. Pure. */

/** @typedef {Record<string, any>} Schema */
/** @typedef {{name: string, label: string, hint: string, required: boolean, initial: any,
 *   control: "text" | "number" | "check" | "select" | "checks" | "words",
 *   whole?: boolean, min?: number, max?: number, maxLength?: number, options?: string[], numeric?: boolean}} Field */

function resolved(schema, root) {
  const target = schema.$ref?.startsWith("#/") && schema.$ref.slice(2).split("/").reduce((at, key) => at?.[key], root);
  const whole = target ? { ...resolved(target, root), ...schema } : schema;
  const branches = whole.anyOf ?? whole.oneOf ?? (whole.allOf?.length === 1 ? whole.allOf : null);
  const branch = branches?.map((one) => resolved(one, root)).find((one) => one.type !== "null");
  return branch ? { ...branch, ...whole } : whole;
}

function kindOf(schema, root) {
  if (schema.enum) return { control: "select", options: schema.enum.map(String), numeric: schema.enum.every(Number.isFinite) };
  if (schema.const !== undefined) return { control: "select", options: [String(schema.const)] };
  if (schema.type === "boolean") return { control: "check" };
  if (schema.type === "array") {
    const items = resolved(schema.items ?? {}, root);
    if (items.enum) return { control: "checks", options: items.enum.map(String) };
    return { control: "words", numeric: items.type === "integer" || items.type === "number" };
  }
  if (schema.type === "integer" || schema.type === "number") {
    const whole = schema.type === "integer";
    const step = whole ? 1 : 0;
    const min = schema.minimum ?? (schema.exclusiveMinimum === undefined ? undefined : schema.exclusiveMinimum + step);
    return { control: "number", whole, min, max: schema.maximum };
  }
  return { control: "text", maxLength: schema.maxLength };
}

/** As pydantic makes titles: one of a class that several params share would not tell them apart. */
const titleOf = (name) => name.split("_").map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join(" ");

/** @param {Schema} schema the schema of a kind's params
 * @returns {Field[]} in the schema's order; flat fields and lists of words */
export function fieldsOf(schema) {
  const required = new Set(schema.required ?? []);
  return Object.entries(schema.properties ?? {}).map(([name, raw]) => {
    const own = resolved(raw, schema);
    return {
      name,
      label: raw.title ?? titleOf(name),
      hint: own.description ?? "",
      required: required.has(name),
      initial: own.default ?? null,
      ...kindOf(own, schema),
    };
  });
}

const number = (text) => (text.trim() === "" || !Number.isFinite(Number(text)) ? text : Number(text));

/** @param {Field} field
 * @param {string[]} typed the values of its controls
 * @returns {unknown} undefined leaves the param out, so that its default stands */
function valueOf(field, typed) {
  const [text = ""] = typed;
  if (field.control === "check") return typed.length > 0;
  if (field.control === "checks") return typed;
  if (text.trim() === "") return field.required && field.control === "text" ? text : undefined;
  if (field.control === "words") {
    const words = text.split(",").map((word) => word.trim()).filter(Boolean);
    return field.numeric ? words.map(number) : words;
  }
  return field.control === "number" || field.numeric ? number(text) : text;
}

/** @param {Field[]} fields
 * @param {(name: string) => string[]} typed what the form holds for a name
 * @returns {Record<string, unknown>} params; what is wrong in them the service says */
export function paramsOf(fields, typed) {
  const pairs = fields.map((field) => [field.name, valueOf(field, typed(field.name))]);
  return Object.fromEntries(pairs.filter(([, value]) => value !== undefined));
}
