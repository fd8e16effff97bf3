// One column: its value, where that comes from and where it goes.

function showDetails(name) {
  by("details").classList.toggle("kept", state.pinned !== null);
  if (name === state.detailed) return; // what was opened there stays open
  state.detailed = name;
  const details = by("details");
  if (name === null) {
    put(
    details,
      el(
        "p",
        { class: "dim" },
        "Point at a column to see where its value comes from; click to keep it, and click again or press Escape ",
        "to let go. With the keyboard: Tab, then the arrow keys.",
      ),
    );
    return;
  }
  const column = state.columns.get(name);
  const value = valueOf(column);
  const before = state.before.get(name);
  put(
    details,
    el(
      "div",
      { class: "what" },
      el("span", { class: "pill", "data-role": column.role }, column.role),
      el("strong", {}, name),
      value === undefined ? null : el("span", { class: "exact" }, exact(value)),
      hasChanged(column) ? el("span", { class: "dim mono" }, `before: ${before}`) : null,
      column.failed === undefined ? null : el("span", { class: "error" }, column.failed),
    ),
    el("p", {}, column.doc),
    el(
      "p",
      { class: "dim" },
      [column.source === null ? "as it came with the record" : null, exactnessOf(column), computedBy(column)]
        .filter((text) => text !== null)
        .join(" · "),
      column.source === null ? null : [" · ", el("code", {}, column.source)],
    ),
    chips("from", column.inputs),
    chips("into", state.consumers.get(name)),
    matrixOf(column),
  );
}

function exactnessOf(column) {
  return `the same wherever it is computed, ${exactly([column])}`;
}

function computedBy({ steps, predictor }) {
  if (steps === undefined) return null;
  return `${steps.join(" → ")}, ${predictor === "compiled" ? "compiled" : "by scikit-learn itself"}`;
}

function chips(title, names) {
  if (names.length === 0) return null;
  return el(
    "div",
    { class: "chips" },
    el("span", { class: "dim" }, title),
    ...names.map((name) => {
      const column = state.columns.get(name);
      const value = valueOf(column);
      const text = value === undefined ? name : `${name} = ${short(value)}`;
      return el("button", { type: "button", class: "chip", "data-role": column.role, click: () => pin(name) }, text);
    }),
  );
}

function pin(name) {
  show((state.pinned = name));
  goTo(nodeBy(name));
}

function matrixOf(column) {
  const row = column.matrix?.rows[0];
  if (row === undefined) return null;
  const names = column.matrix.columns ?? row.map((_, place) => `number ${place}`);
  return el(
    "details",
    {},
    el("summary", {}, `What its estimator was given after preprocessing: ${row.length} numbers`),
    el("div", { class: "matrix" }, row.map((value, place) => numberOf(names[place], value))),
  );
}

function numberOf(name, value) {
  return el("div", {}, el("span", { title: name }, name), el("span", {}, short(value)));
}
