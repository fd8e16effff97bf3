// The columns of a prediction: what they hold, what changed, and which come from which.

// Keeps columns by name, and by column those that are computed from it.
function hold(columns) {
  state.columns = new Map(columns.map((one) => [one.column, one]));
  state.consumers = new Map(columns.map((one) => [one.column, []]));
  for (const one of columns) {
    for (const input of one.inputs) state.consumers.get(input).push(one.column);
  }
}

function showAnswer(trace) {
  state.before = new Map();
  for (const [name, column] of state.columns) {
    if (column.values !== undefined) state.before.set(name, exact(column.values[0]));
  }
  hold(trace.columns);
  const isLive = trace.version === state.shown.version;
  by("answered-by").textContent = isLive ? "" : `by version ${trace.version}, which is not live`;
  put(by("outputs"), trace.columns.filter((column) => column.role === "output").map(outputOf));
  by("prediction").hidden = false;
  showComputed();
}

function outputOf(column) {
  const value = column.values[0];
  const isWhole = exact(value) === short(value);
  return el(
    "div",
    { class: "output" },
    el("dt", {}, column.column),
    el("dd", { class: "value" }, short(value)),
    isWhole ? null : el("dd", { class: "dim mono" }, exact(value)),
    el("dd", { class: "dim" }, column.doc),
  );
}

const valueOf = (column) => (column.failed === undefined ? column.values?.[0] : undefined);

const isPredicted = () => [...state.columns.values()].some((one) => one.values !== undefined);

function hasChanged(column) {
  const before = state.before.get(column.column);
  return before !== undefined && before !== exact(valueOf(column));
}

function reached(name, next) {
  const found = new Set();
  const open = [...next(name)];
  while (open.length > 0) {
    const one = open.pop();
    if (found.has(one)) continue;
    found.add(one);
    open.push(...next(one));
  }
  return found;
}

function showComputed() {
  state.pinned = null;
  const changed = [...state.columns.values()].filter(hasChanged).length;
  by("computed-hint").textContent =
    "Every column that a record goes through, from its fields on the left to what clients get on the right. " +
    (!isPredicted()
      ? "Predict to see the values."
      : changed > 0
        ? `${changed} ${changed === 1 ? "column" : "columns"} changed since the prediction before.`
        : "Change a field and predict again to see what it changes.");
  const roles = new Set([...state.columns.values()].map((one) => one.role));
  for (const role of by("roles").children) role.hidden = !roles.has(role.dataset.role);
  drawGraph();
  drawTable();
  state.detailed = undefined;
  show(null);
}
