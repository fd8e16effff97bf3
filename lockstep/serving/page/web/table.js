// The columns as a table.

function drawTable() {
  const head = ["Column", "Value", "Computed from", "Code"];
  const rows = [...state.columns.values()].map((column) =>
    el(
      "tr",
      {},
      el(
        "td",
        { class: "column", "data-role": column.role },
        el("span", { class: "mono" }, column.column),
        el("span", { class: "role" }, column.role),
        el("div", { class: "doc" }, column.doc.split("\n\n")[0]),
      ),
      el("td", { class: `mono value${hasChanged(column) ? " changed" : ""}` }, column.failed ?? exact(valueOf(column))),
      el("td", { class: "mono from" }, someOf(column.inputs)),
      el("td", { class: "mono code" }, column.source ?? ""),
    ),
  );
  put(
    by("table"),
    el(
      "table",
      {},
      el("thead", {}, el("tr", {}, head.map((one) => el("th", { scope: "col" }, one)))),
      el("tbody", {}, rows),
    ),
  );
}

function someOf(names, most = 6) {
  const more = names.length > most ? ` and ${names.length - most} more` : "";
  return names.slice(0, most).join(", ") + more;
}

function choose(isTable) {
  by("graph").hidden = isTable;
  by("details").hidden = isTable;
  by("table").hidden = !isTable;
  by("as-graph").setAttribute("aria-pressed", String(!isTable));
  by("as-table").setAttribute("aria-pressed", String(isTable));
  if (!isTable && state.shown !== null) drawGraph();
}

by("as-graph").addEventListener("click", () => choose(false));
by("as-table").addEventListener("click", () => choose(true));
addEventListener("resize", () => {
  if (state.shown === null || by("graph").hidden) return;
  drawGraph();
  show(state.pinned);
});
