// The columns drawn by their distance from the fields.

const NODE = { height: 38, gap: 6, between: 18, least: 84, most: 190, letter: 6.7, edges: 16 };

// Columns by depth from left to right; each as near as can be to the middle of its inputs.
function placed(width) {
  const depths = [...new Set([...state.columns.values()].map((one) => one.depth))].sort((a, b) => a - b);
  const groups = depths.map((depth) => [...state.columns.values()].filter((one) => one.depth === depth));
  const step = NODE.height + NODE.gap;
  const height = Math.max(...groups.map((group) => group.length)) * step - NODE.gap;
  const widths = widthsOf(groups, width - NODE.between * (groups.length - 1));
  const places = new Map();
  let x = 0;
  groups.forEach((group, place) => {
    const [left, wide] = [x, widths[place]];
    x += wide + NODE.between;
    const wished = group.map((one, index) => ({ one, y: place === 0 ? index * step : middle(one, places) }));
    wished.sort((a, b) => a.y - b.y);
    let free = 0;
    for (const each of wished) free = (each.y = Math.max(each.y, free)) + step;
    let limit = height - NODE.height;
    for (const each of wished.reverse()) limit = (each.y = Math.min(each.y, limit)) - step;
    for (const { one, y } of wished) places.set(one.column, { x: left, y, wide });
  });
  return { places, height, width: x - NODE.between };
}

// As wide as the longest name of each depth wants; where that is too much, the widest give way.
function widthsOf(groups, room) {
  const longest = (group) => Math.max(...group.map((one) => one.column.length));
  const wished = groups.map((group) => Math.max(longest(group) * NODE.letter + NODE.edges, NODE.least));
  const under = (most) => wished.map((wide) => Math.min(wide, most));
  const sum = (widths) => widths.reduce((whole, wide) => whole + wide, 0);
  let most = NODE.most;
  while (most > NODE.least && sum(under(most)) > room) most -= 1;
  const spare = Math.max(0, room - sum(under(most))) / groups.length;
  return under(most).map((wide) => Math.min(wide + spare, Math.max(wide, NODE.most)));
}

function middle(column, places) {
  const inputs = column.inputs.map((name) => places.get(name).y);
  return inputs.reduce((sum, y) => sum + y, 0) / Math.max(inputs.length, 1);
}

function drawGraph() {
  const nodes = by("nodes");
  const style = getComputedStyle(by("graph"));
  const room = by("graph").clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
  const { places, height, width } = placed(room);
  nodes.style.width = `${width}px`;
  nodes.style.height = `${height}px`;
  const edges = svg("svg", { width, height, "aria-hidden": "true" });
  for (const column of state.columns.values()) {
    const to = places.get(column.column);
    for (const name of column.inputs) {
      const from = places.get(name);
      const [x1, y1] = [from.x + from.wide, from.y + NODE.height / 2];
      const [x2, y2] = [to.x, to.y + NODE.height / 2];
      const bend = Math.max((x2 - x1) / 2, 20);
      const d = `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
      edges.append(svg("path", { class: "edge", d, "data-from": name, "data-to": column.column }));
    }
  }
  put(nodes, edges, ...[...state.columns.values()].map((column) => nodeOf(column, places.get(column.column))));
  nodes.querySelector(".node")?.setAttribute("tabindex", "0");
}

function nodeOf(column, { x, y, wide }) {
  const value = valueOf(column);
  const shown = column.failed === undefined ? short(value) : "failed";
  const node = el(
    "button",
    {
      type: "button",
      class: `node${hasChanged(column) ? " changed" : ""}`,
      tabindex: "-1",
      "data-role": column.role,
      "data-column": column.column,
      title: column.column,
      "aria-label": `${column.column}, ${column.role}${value === undefined ? "" : `, ${exact(value)}`}`,
      mouseenter: () => state.pinned ?? show(column.column),
      mouseleave: () => state.pinned ?? show(null),
      focus: () => state.pinned ?? show(column.column),
      click: () => show((state.pinned = state.pinned === column.column ? null : column.column)),
      keydown: (event) => move(event, column),
    },
    el("span", { class: "name" }, column.column),
    el("span", { class: "value" }, shown),
  );
  node.style.left = `${x}px`;
  node.style.top = `${y}px`;
  node.style.width = `${wide}px`;
  node.style.height = `${NODE.height}px`;
  return node;
}

const nodeBy = (name) => [...by("nodes").querySelectorAll(".node")].find((one) => one.dataset.column === name);

function move(event, column) {
  const beside = [...state.columns.values()]
    .filter((one) => one.depth === column.depth)
    .map((one) => nodeBy(one.column))
    .sort((a, b) => parseFloat(a.style.top) - parseFloat(b.style.top));
  const place = beside.findIndex((one) => one.dataset.column === column.column);
  const target = {
    ArrowUp: beside[place - 1],
    ArrowDown: beside[place + 1],
    ArrowLeft: nodeBy(column.inputs[0]),
    ArrowRight: nodeBy(state.consumers.get(column.column)[0]),
  }[event.key];
  if (event.key === "Escape") show((state.pinned = null));
  if (target === undefined) return;
  state.pinned = null;
  event.preventDefault();
  goTo(target);
}

function goTo(node) {
  for (const one of by("nodes").querySelectorAll("[tabindex='0']")) one.setAttribute("tabindex", "-1");
  node.setAttribute("tabindex", "0");
  node.focus();
  node.scrollIntoView({ block: "nearest", inline: "nearest" });
}

// Shows where a column comes from and where it goes; null shows all of them alike.
function show(name) {
  const nodes = by("nodes");
  nodes.classList.toggle("focused", name !== null);
  const up = name === null ? new Set() : reached(name, (one) => state.columns.get(one).inputs);
  const down = name === null ? new Set() : reached(name, (one) => state.consumers.get(one));
  for (const node of nodes.querySelectorAll(".node")) {
    const own = node.dataset.column;
    node.classList.toggle("self", own === name);
    node.classList.toggle("on", up.has(own) || down.has(own));
  }
  for (const edge of nodes.querySelectorAll(".edge")) {
    const { from, to } = edge.dataset;
    const isDown = (from === name || down.has(from)) && down.has(to);
    edge.classList.toggle("down", isDown);
    edge.classList.toggle("on", isDown || ((to === name || up.has(to)) && up.has(from)));
  }
  showDetails(name);
}
