/** A form for every kind of job, made from the schema of its params. */
import { byId, make, setText } from "./dom.js";
import { kindName } from "./jobs-state.js";
import { fieldsOf, paramsOf } from "./schema.js";

function input(field, attributes) {
  const element = Object.assign(make("input"), { name: field.name, id: `param-${field.name}`, ...attributes });
  if (field.required) element.required = true;
  return element;
}

function select(field, t) {
  const element = Object.assign(make("select"), { name: field.name, id: `param-${field.name}` });
  if (!field.required) element.append(new Option(t("optional"), ""));
  element.append(...field.options.map((option) => new Option(option, option)));
  if (field.initial !== null) element.value = String(field.initial);
  return element;
}

function control(field, t) {
  const value = field.initial === null ? "" : [field.initial].flat().join(", ");
  if (field.control === "select") return select(field, t);
  if (field.control === "number") {
    const edges = { min: field.min ?? "", max: field.max ?? "", step: field.whole ? "1" : "any" };
    return input(field, { type: "number", value, ...edges });
  }
  const element = input(field, { type: "text", value, autocomplete: "off" });
  if (field.maxLength) element.maxLength = field.maxLength;
  if (!field.required && !value) element.placeholder = t("optional");
  return element;
}

function ticks(field, options, chosen) {
  const group = make("fieldset", "", "field");
  group.append(make("legend", field.label));
  for (const option of options) {
    const tick = Object.assign(make("input"), { type: "checkbox", name: field.name, value: option });
    tick.checked = chosen.includes(option);
    const label = make("label");
    label.append(tick, option === "true" ? field.hint || field.label : option);
    group.append(label);
  }
  return group;
}

function fieldElement(field, t) {
  const hint = field.control === "words" ? [field.hint, t("words_hint")].filter(Boolean).join(", ") : field.hint;
  if (field.control === "check") return ticks(field, ["true"], field.initial ? ["true"] : []);
  if (field.control === "checks") return ticks(field, field.options, (field.initial ?? []).map(String));
  const label = make("label", "", "field");
  label.append(make("span", field.label), control(field, t));
  if (hint) label.append(make("small", hint));
  return label;
}

/** @param {(kind: string, params: Record<string, unknown>) => Promise<string>} run gives what is wrong, "" for nothing */
export function createForms(run) {
  const form = byId("kind-form");
  const choice = byId("kind");
  let [kinds, fields, drawn] = [[], [], ""];

  const chosen = () => kinds.find((kind) => kind.kind === choice.value);

  function draw(t) {
    const kind = chosen();
    fields = kind ? fieldsOf(kind.params ?? {}) : [];
    setText(byId("kind-description"), kind?.description ?? "");
    byId("kind-fields").replaceChildren(...fields.map((field) => fieldElement(field, t)));
    setText(byId("kind-problem"), "");
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const data = new FormData(form);
    const params = paramsOf(fields, (name) => data.getAll(name).map(String));
    byId("run").disabled = true;
    setText(byId("kind-problem"), await run(choice.value, params));
    byId("run").disabled = false;
  });

  /** @param {Record<string, any>} state */
  function update(state) {
    byId("other").hidden = !state.kinds?.length;
    const wanted = `${state.language} ${state.kinds?.length}`;
    if (wanted !== drawn && state.kinds) {
      kinds = state.kinds;
      const kept = choice.value;
      choice.replaceChildren(...kinds.map(({ kind, title }) => new Option(kindName({ kind }, state.t, { title }), kind)));
      if (kinds.some(({ kind }) => kind === kept)) choice.value = kept;
      drawn = wanted;
      draw(state.t);
    }
    choice.onchange = () => draw(state.t);
  }

  return { update };
}
