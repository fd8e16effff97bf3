// The form for a record, its prediction, and why it is refused.

const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/; // as JSON writes one
const NUMBERS = new Set(["int", "float"]);

function showForm(version, typed) {
  const names = version.fields.map((one) => one.column).join();
  const kept = typed !== null && [...typed.keys()].join() === names ? typed : null;
  by("try").hidden = false;
  by("record-doc").textContent =
    `${version.record_doc} The form begins with a record like those of training; its key is made up. ` +
    "An empty field is a missing value.";
  put(by("fields"), ...version.fields.map(fieldOf));
  by("another").hidden = version.examples.length < 2;
  if (kept === null) fillIn(version.examples[(state.example = 0)]);
  else for (const field of version.fields) by(inputId(field)).value = kept.get(field.column);
  showReasons([]);
}

const inputId = (field) => `field-${field.column}`;

function fieldOf(field) {
  const id = inputId(field);
  const said = [field.doc, ...field.rules].filter(Boolean).join(" · ");
  return el(
    "div",
    { class: "field" },
    el("label", { for: id }, el("span", {}, field.name), el("span", { class: "type" }, typeOf(field))),
    controlOf(field, {
      id,
      name: field.column,
      "aria-describedby": `${id}-doc ${id}-error`,
      "aria-required": !field.optional && "true",
    }),
    el("p", { class: "doc", id: `${id}-doc` }, said),
    el("p", { class: "error", id: `${id}-error` }),
  );
}

function typeOf(field) {
  if (field.choices === null) return field.shown;
  return field.optional ? "choice | None" : "choice";
}

function controlOf(field, attributes) {
  const choices = field.declared === "bool" ? ["true", "false"] : field.choices;
  if (choices !== null) {
    const missing = field.optional ? [el("option", { value: "" }, "missing")] : [];
    return el("select", attributes, ...missing, ...choices.map((one) => el("option", { value: one }, one)));
  }
  return el("input", {
    ...attributes,
    type: "text",
    autocomplete: "off",
    spellcheck: "false",
    inputmode: NUMBERS.has(field.declared) ? "decimal" : null,
    placeholder: field.optional ? "missing" : field.declared === "datetime" ? "2013-04-01T09:30:00Z" : null,
  });
}

function fillIn(example) {
  for (const field of state.shown.fields) {
    const value = example[field.column];
    by(inputId(field)).value = value === null || value === undefined ? "" : String(value);
  }
}

function* formTexts() {
  for (const field of state.shown?.fields ?? []) yield [field.column, by(inputId(field)).value];
}

// A field as JSON: a number stays as it was typed, and what is none is for the server to refuse.
function literal(field, text) {
  const trimmed = text.trim();
  if (text === "" && (field.optional || field.declared !== "str")) return "null";
  if (field.declared === "bool") return text;
  if (!NUMBERS.has(field.declared)) return JSON.stringify(text);
  if (NUMBER.test(trimmed)) return trimmed;
  const number = Number(trimmed);
  return trimmed !== "" && Number.isFinite(number) && /^[+.\d-]/.test(trimmed) && !/x|o|b/i.test(trimmed)
    ? String(number)
    : JSON.stringify(text);
}

by("another").addEventListener("click", () => {
  const examples = state.shown.examples;
  state.example = (state.example + 1) % examples.length;
  fillIn(examples[state.example]);
  showReasons([]);
});

by("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = event.submitter ?? document.querySelector("#form .primary");
  button.disabled = true;
  try {
    await predict();
  } catch (error) {
    const message = `The server cannot be asked (${error.message}).`;
    if (!(error instanceof TokenNeeded)) showReasons([{ column: null, message }]);
  } finally {
    button.disabled = false;
  }
});

async function predict() {
  const fields = state.shown.fields.map(
    (field) => `${JSON.stringify(field.name)}:${literal(field, by(inputId(field)).value)}`,
  );
  const begun = performance.now();
  const asked = by("version").value;
  const response = await ask(`invocations?explain=trace${asked && `&version=${asked}`}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: `{"dataframe_records":[{${fields.join(",")}}]}`,
  });
  const answer = await told(response);
  const took = performance.now() - begun;
  by("took").textContent =
    `${response.ok ? "Answered" : "Refused"} in ${took.toFixed(took < 10 ? 1 : 0)} ms, ` +
    `request ${response.headers.get("x-request-id")}`;
  if (!response.ok) {
    showReasons(answer.rows?.[0]?.reasons ?? [{ column: null, message: answer.message }]);
    return;
  }
  showReasons([]);
  showAnswer(answer.trace);
}

function showReasons(reasons) {
  const left = [];
  const first = [];
  for (const field of state.shown.fields) {
    const own = reasons.filter((reason) => reason.column === field.column);
    const input = by(inputId(field));
    if (own.length > 0) {
      input.setAttribute("aria-invalid", "true");
      first.push(input);
    } else {
      input.removeAttribute("aria-invalid");
    }
    by(`${inputId(field)}-error`).textContent = own.map((reason) => reason.message).join("; ");
  }
  const columns = new Set(state.shown.fields.map((field) => field.column));
  for (const reason of reasons) if (!columns.has(reason.column)) left.push(reason);
  const refusal = by("refusal");
  refusal.hidden = reasons.length === 0;
  put(refusal);
  if (reasons.length === 0) return;
  by("prediction").hidden = true;
  if (isPredicted()) by("computed-hint").textContent = "The values are still those of the record before.";
  if (first.length > 0) {
    const many = first.length === 1 ? "A field is" : `${first.length} fields are`;
    refusal.append(el("p", {}, `The record is refused: ${many} marked above.`));
    first[0].focus();
  }
  for (const reason of left) refusal.append(...reasonOf(reason));
}

// A reason that is of no field: of a column that is computed from some, or of the request.
function reasonOf({ column, message }) {
  const computed = state.columns.get(column);
  if (computed === undefined) return [el("p", {}, column === null ? message : `${column}: ${message}`)];
  const fields = [...reached(column, (one) => state.columns.get(one).inputs)].filter(
    (one) => state.columns.get(one).role === "field",
  );
  return [
    el("p", {}, "The record is refused: ", el("code", {}, column), ` ${message}.`),
    el("p", { class: "dim" }, `${computed.doc} It is computed from ${fields.join(", ")}.`),
  ];
}
