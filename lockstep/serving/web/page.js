// Everything that the server says is inserted as text; nothing here makes HTML of it.

const TOKEN = "lockstep.token";
const REFRESH = 2000; // milliseconds
const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/; // as JSON writes one
const NUMBERS = new Set(["int", "float"]);
const SVG = "http://www.w3.org/2000/svg";

const state = {
  shown: null, // the version that is described
  example: 0, // which of its examples the form began with
  columns: new Map(), // its columns by name, with the values of the last prediction
  before: new Map(), // the values of the prediction before that, as texts
  consumers: new Map(), // by column, those that are computed from it
  pinned: null, // the column whose details stay
  detailed: undefined, // the column whose details are shown; null where it is none
  timer: 0,
};

const by = (id) => document.getElementById(id);

function el(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...present(children));
  return element;
}

function put(element, ...children) {
  element.replaceChildren(...present(children));
}

const present = (children) => children.flat().filter((child) => child !== null && child !== undefined && child !== "");

// What the server is asked

class TokenNeeded extends Error {}

async function ask(path, options = {}) {
  const token = sessionStorage.getItem(TOKEN);
  const headers = new Headers(options.headers);
  try {
    if (token !== null) headers.set("authorization", `Bearer ${token}`);
  } catch {
    askForToken("A token has no such characters.");
    throw new TokenNeeded();
  }
  const response = await fetch(path, { ...options, headers, cache: "no-store" });
  if (response.status === 401) {
    askForToken(token === null ? "" : "The server does not know this token.");
    throw new TokenNeeded();
  }
  return response;
}

// Integers that JavaScript's numbers cannot hold are kept to the last digit.
function parse(text) {
  return JSON.parse(text, (_, value, context) =>
    Number.isInteger(value) && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source ?? "")
      ? BigInt(context.source)
      : value,
  );
}

async function told(response) {
  const text = await response.text();
  try {
    return parse(text);
  } catch {
    return { message: `The server answered ${response.status} with something other than JSON.` };
  }
}

function askForToken(error) {
  clearTimeout(state.timer);
  by("ask-error").textContent = error;
  if (!by("ask").open) by("ask").showModal();
}

by("ask").addEventListener("cancel", (event) => event.preventDefault());
by("ask-form").addEventListener("submit", () => {
  sessionStorage.setItem(TOKEN, by("token").value);
  by("token").value = "";
  refresh();
});
by("forget").addEventListener("click", () => {
  sessionStorage.removeItem(TOKEN);
  location.reload();
});

// Values as texts

const whole = new Intl.NumberFormat("en");
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const utc = new Intl.DateTimeFormat(undefined, {
  dateStyle: "medium",
  timeStyle: "short",
  timeZone: "UTC",
});

function exact(value) {
  if (value === undefined) return "";
  return value === null ? "missing" : String(value);
}

function short(value) {
  if (typeof value !== "number" || Number.isInteger(value)) return exact(value);
  return String(Number(value.toPrecision(4)));
}

function milliseconds(seconds) {
  if (seconds === null) return "–";
  const found = seconds * 1000;
  return found < 100 ? found.toPrecision(2) : whole.format(Math.round(found));
}

// What goes on

async function refresh() {
  clearTimeout(state.timer);
  state.timer = setTimeout(refresh, REFRESH);
  if (document.hidden) return;
  try {
    const now = await told(await ask("page/now"));
    if (now.intervals === undefined) throw new Error(now.message);
    showNow(now);
    if (now.ready && now.digest !== state.shown?.digest) await showVersion();
    if (!now.ready) showUnready(now);
  } catch (error) {
    if (error instanceof TokenNeeded) return;
    setState("bad", "not reachable");
    notify(`The server cannot be asked (${error.message}). This page tries again.`);
  }
}

document.addEventListener("visibilitychange", () => document.hidden || refresh());

function setState(kind, text) {
  const element = by("state");
  const wanted = `state ${kind}`;
  if (element.className === wanted && element.textContent === text) return;
  element.className = wanted;
  element.textContent = text;
}

function notify(text) {
  const notice = by("notice");
  if (notice.textContent !== text) notice.textContent = text;
  notice.hidden = text === "";
}

// Other versions that have passed the gate may be asked, to see what they make of the same record.
function showVersions(now) {
  const select = by("version");
  const numbers = now.versions.filter((number) => number !== now.version).reverse();
  const wanted = [now.version, ...numbers].join();
  by("asked").hidden = numbers.length === 0;
  if (select.dataset.numbers === wanted) return;
  const chosen = select.value;
  select.dataset.numbers = wanted;
  put(
    select,
    el("option", { value: "" }, `version ${now.version}, which is live`),
    ...numbers.map((number) => el("option", { value: number }, `version ${number}`)),
  );
  select.value = numbers.map(String).includes(chosen) ? chosen : "";
}

// The versions beside the one that serves: what they do, or why they do nothing.
function showBeside(now) {
  const { challenger, canary } = now;
  const found = [];
  if (challenger !== null) found.push(challengerOf(challenger, now.version));
  if (canary !== null) found.push(canaryOf(canary));
  for (const one of now.pinned_refused) {
    found.push(check("bad", "✗", `Version ${one.version} was asked for and is refused.`, one.reason));
  }
  if (now.registry !== null) found.push(check("warn", "–", "The registry cannot be asked now.", now.registry));
  by("beside").hidden = found.length === 0;
  put(by("beside"), found);
}

function challengerOf({ version, reason, rows, differing }, live) {
  const name = `Version ${version} is the challenger`;
  if (reason !== null) return check("warn", "–", `${name}, and scores nothing.`, reason);
  const compared = rows.compared ?? 0;
  const others = ["refused", "failed", "dropped"].filter((one) => rows[one]);
  return check(
    "good",
    "↯",
    `${name}: it scores in the shadow what version ${live} is asked.`,
    `${whole.format(compared)} rows compared, ${whole.format(differing)} of them otherwise` +
      others.map((one) => `, ${whole.format(rows[one])} ${one}`).join("") +
      ".",
  );
}

function canaryOf({ version, share, refused }) {
  const percent = `${Number((share * 100).toPrecision(3))} %`;
  return version === null
    ? check("warn", "–", `No version answers the ${percent} of the requests that are the canary's.`, refused?.reason)
    : check("good", "◔", `Version ${version} is the canary: it answers ${percent} of the requests.`);
}

function showNow(now) {
  const token = sessionStorage.getItem(TOKEN) !== null;
  by("forget").hidden = !token;
  document.querySelector("nav").hidden = token; // links cannot send it
  by("pipeline").textContent = now.pipeline;
  document.title = `${now.pipeline} · Lockstep`;
  if (now.ready) setState("good", `version ${now.version} serves`);
  const refused = now.refused;
  notify(
    refused === null
      ? ""
      : `Version ${refused.version ?? "?"} was to serve and is refused here${
          now.version === null ? "" : `; version ${now.version} goes on`
        }: ${refused.reason}`,
  );
  showVersions(now);
  showBeside(now);
  showTraffic(now);
}

function showUnready(now) {
  setState("warn", "no version serves");
  if (now.refused === null) {
    notify(
      `No version serves yet. Train and promote one: lockstep train ${now.pipeline}, ` +
        `then lockstep promote ${now.pipeline}. This page shows it as soon as it is live.`,
    );
  }
  state.shown = null;
  put(by("serving"), el("p", { class: "dim" }, "Nothing yet."));
  for (const id of ["try", "prediction", "computed"]) by(id).hidden = true;
}

function showTraffic(now) {
  const total = now.total;
  const count = total.answered + total.refused + total.failed;
  const lately = now.intervals.slice(-13, -1); // a minute, without the interval that runs
  const rate =
    lately.reduce((sum, one) => sum + one.answered + one.refused + one.failed, 0) /
    (lately.length * now.interval_seconds);
  const figure = (name, value, unit = "") =>
    el("div", {}, el("dt", {}, name), el("dd", {}, value, unit && el("span", { class: "unit" }, ` ${unit}`)));
  put(
    by("traffic"),
    el(
      "dl",
      { class: "figures" },
      figure("requests", whole.format(count)),
      figure("in the last minute", rate >= 10 ? whole.format(Math.round(rate)) : rate.toFixed(1), "/s"),
      figure("half within", milliseconds(total.p50), "ms"),
      figure("99 % within", milliseconds(total.p99), "ms"),
      total.refused ? figure("refused", whole.format(total.refused)) : null,
      total.failed ? figure("failed", whole.format(total.failed)) : null,
    ),
    requestsChart(now),
    latencyChart(now),
    el("div", { class: "axis" }, el("span", {}, "5 minutes ago"), el("span", {}, "now")),
    el(
      "p",
      { class: "dim axis" },
      `Requests to score records, as this process (${now.process}) of the server answered them.`,
    ),
  );
}

const HEIGHT = 60;

function ago(now, place) {
  const seconds = (now.intervals.length - 1 - place) * now.interval_seconds;
  return seconds === 0 ? "now" : `${seconds} s ago`;
}

function chart(name, caption, keys, bars) {
  return el(
    "figure",
    { class: "chart" },
    el("figcaption", {}, el("span", {}, ...keys.map(([kind, text]) => el("span", { class: `key ${kind}` }, text))), el("span", {}, caption)),
    svg("svg", { viewBox: `0 0 600 ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": `${name}: ${caption}` }, ...bars),
  );
}

function bar(kind, place, top, height, title) {
  return svg("rect", { class: kind, x: place * 10 + 1, y: top, width: 8, height }, svg("title", {}, title));
}

function requestsChart(now) {
  const seconds = now.interval_seconds;
  const most = Math.max(...now.intervals.map((one) => one.answered + one.refused + one.failed), 1);
  const bars = now.intervals.flatMap((one, place) => {
    let top = HEIGHT;
    return ["answered", "refused", "failed"].map((kind) => {
      const height = one[kind] === 0 ? 0 : Math.max((one[kind] / most) * (HEIGHT - 4), 1.5);
      top -= height;
      return height === 0
        ? null
        : bar(kind, place, top, height, `${ago(now, place)}: ${whole.format(one[kind])} ${kind}`);
    });
  });
  const peak = most / seconds;
  return chart(
    "Requests a second",
    `at most ${peak >= 10 ? whole.format(Math.round(peak)) : peak.toFixed(1)} /s`,
    [["answered", "answered"], ["refused", "refused"], ["failed", "failed"]],
    bars,
  );
}

function latencyChart(now) {
  const known = now.intervals.filter((one) => one.p50 !== null);
  const least = Math.min(...known.map((one) => one.p50)) / 2;
  const most = Math.max(...known.map((one) => one.p99));
  const at = (seconds) => HEIGHT - (Math.log(seconds / least) / Math.log(most / least)) * (HEIGHT - 4);
  const bars = now.intervals.flatMap((one, place) => {
    if (one.p50 === null) return [];
    const title = `${ago(now, place)}: half within ${milliseconds(one.p50)} ms, 99 % within ${milliseconds(one.p99)} ms`;
    return [
      bar("p99", place, at(one.p99), Math.max(at(one.p50) - at(one.p99), 0), title),
      bar("p50", place, at(one.p50), HEIGHT - at(one.p50), title),
    ];
  });
  return chart(
    "Latency",
    known.length === 0 ? "" : `at most ${milliseconds(most)} ms, on a logarithmic scale`,
    [["p50", "half of them within"], ["p99", "99 % within"]],
    bars,
  );
}

// What serves

async function showVersion() {
  const response = await ask("page/version");
  const version = await told(response);
  if (!response.ok) {
    notify(version.message);
    return;
  }
  const typed = new Map(formTexts());
  const fresh = state.shown === null;
  state.shown = version;
  state.before = new Map();
  hold(version.columns);
  by("title").textContent = version.title;
  showServing(version);
  showForm(version, fresh ? null : typed);
  by("prediction").hidden = true;
  by("computed").hidden = false;
  showComputed();
}

// Keeps columns by name, and by column those that are computed from it.
function hold(columns) {
  state.columns = new Map(columns.map((one) => [one.column, one]));
  state.consumers = new Map(columns.map((one) => [one.column, []]));
  for (const one of columns) {
    for (const input of one.inputs) state.consumers.get(input).push(one.column);
  }
}

function check(kind, mark, said, more) {
  return el(
    "li",
    {},
    el("span", { class: `mark ${kind}`, "aria-hidden": "true" }, mark),
    el("div", {}, el("p", {}, said), more && el("p", { class: "dim" }, more)),
  );
}

function showServing(version) {
  const { golden, models } = version;
  const since = version.since === null ? "" : `live since ${moment.format(new Date(version.since))}`;
  const rest = golden.columns - golden.exact;
  const slow = models.filter((one) => !one.is_compiled);
  const facts = [
    ["fitted on", `${whole.format(version.rows)} rows`],
    ...(version.trained_until === null ? [] : [["until", `${utc.format(new Date(version.trained_until))} UTC`]]),
    ...Object.entries(version.metrics).map(([name, value]) => [name, short(value)]),
  ];
  put(
    by("serving"),
    el("p", { class: "version" }, el("strong", {}, `Version ${version.version}`), el("span", { class: "dim" }, since)),
    el(
      "ul",
      { class: "checks" },
      check(
        "good",
        "✓",
        "It computes here what it computed when it was fitted.",
        `${whole.format(golden.records)} golden records were replayed in this process before it served, ` +
          `${golden.columns} columns each: ${golden.exact} to the last bit` +
          (rest === 0 ? "." : `, ${rest} within the last digits that they are allowed.`),
      ),
      models.length > slow.length
        ? check(
            "good",
            "✓",
            `${named(models.filter((one) => one.is_compiled))}: compiled.`,
            "Found equal to scikit-learn on the golden records, and on missing, unseen and extreme values.",
          )
        : null,
      ...slow.map((one) => check("warn", "–", `${one.name}: computed by scikit-learn itself.`, one.reason)),
      check(
        "good",
        "✓",
        "It is served with its own code, from the very files that the gate let serve.",
        `${version.module} ${version.code.slice(0, 12)}…, manifest ${version.digest.slice(0, 12)}… (SHA-256)`,
      ),
    ),
    el("dl", { class: "facts" }, facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)))),
  );
}

const named = (models) => models.map((one) => one.name).join(", ");

// The form

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
    controlOf(field, { id, name: field.column, "aria-describedby": `${id}-doc ${id}-error`, "aria-required": !field.optional && "true" }),
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
    if (!(error instanceof TokenNeeded)) showReasons([{ column: null, message: `The server cannot be asked (${error.message}).` }]);
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
  by("took").textContent = `${response.ok ? "Answered" : "Refused"} in ${took.toFixed(took < 10 ? 1 : 0)} ms, request ${response.headers.get("x-request-id")}`;
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

// The prediction, and how it is computed

function showAnswer(trace) {
  state.before = new Map();
  for (const [name, column] of state.columns) {
    if (column.values !== undefined) state.before.set(name, exact(column.values[0]));
  }
  hold(trace.columns);
  by("answered-by").textContent = trace.version === state.shown.version ? "" : `by version ${trace.version}, which is not live`;
  put(
    by("outputs"),
    ...trace.columns.filter((column) => column.role === "output").map((column) => {
      const value = column.values[0];
      const full = exact(value) === short(value) ? null : el("dd", { class: "dim mono" }, exact(value));
      return el("div", { class: "output" }, el("dt", {}, column.column), el("dd", { class: "value" }, short(value)), full, el("dd", { class: "dim" }, column.doc));
    }),
  );
  by("prediction").hidden = false;
  showComputed();
}

const valueOf = (column) => (column.failed === undefined ? column.values?.[0] : undefined);

const isPredicted = () => [...state.columns.values()].some((one) => one.values !== undefined);

function hasChanged(column) {
  const before = state.before.get(column.column);
  return before !== undefined && before !== exact(valueOf(column));
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
  drawGraph();
  drawTable();
  state.detailed = undefined;
  show(null);
}

const NODE = { height: 38, gap: 6, between: 30, least: 122, most: 190 };

// Columns by depth from left to right; each as near as can be to the middle of its inputs.
function placed(width) {
  const depths = [...new Set([...state.columns.values()].map((one) => one.depth))].sort((a, b) => a - b);
  const groups = depths.map((depth) => [...state.columns.values()].filter((one) => one.depth === depth));
  const step = NODE.height + NODE.gap;
  const height = Math.max(...groups.map((group) => group.length)) * step - NODE.gap;
  const fits = (width - NODE.between * (groups.length - 1)) / groups.length;
  const wide = Math.min(Math.max(fits, NODE.least), NODE.most);
  const places = new Map();
  groups.forEach((group, place) => {
    const x = place * (wide + NODE.between);
    const wished = group.map((one, index) => ({ one, y: place === 0 ? index * step : middle(one, places) }));
    wished.sort((a, b) => a.y - b.y);
    let free = 0;
    for (const each of wished) free = (each.y = Math.max(each.y, free)) + step;
    let limit = height - NODE.height;
    for (const each of wished.reverse()) limit = (each.y = Math.min(each.y, limit)) - step;
    for (const { one, y } of wished) places.set(one.column, { x, y });
  });
  return { places, wide, height, width: groups.length * (wide + NODE.between) - NODE.between };
}

function middle(column, places) {
  const inputs = column.inputs.map((name) => places.get(name).y);
  return inputs.reduce((sum, y) => sum + y, 0) / Math.max(inputs.length, 1);
}

function drawGraph() {
  const nodes = by("nodes");
  const style = getComputedStyle(by("graph"));
  const room = by("graph").clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
  const { places, wide, height, width } = placed(room);
  nodes.style.width = `${width}px`;
  nodes.style.height = `${height}px`;
  const edges = svg("svg", { width, height, "aria-hidden": "true" });
  for (const column of state.columns.values()) {
    const to = places.get(column.column);
    for (const name of column.inputs) {
      const from = places.get(name);
      const [x1, y1] = [from.x + wide, from.y + NODE.height / 2];
      const [x2, y2] = [to.x, to.y + NODE.height / 2];
      const bend = Math.max((x2 - x1) / 2, 20);
      const d = `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
      edges.append(svg("path", { class: "edge", d, "data-from": name, "data-to": column.column }));
    }
  }
  put(nodes, edges, ...[...state.columns.values()].map((column) => nodeOf(column, places.get(column.column), wide)));
  nodes.querySelector(".node")?.setAttribute("tabindex", "0");
}

function nodeOf(column, { x, y }, wide) {
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

function showDetails(name) {
  if (name === state.detailed) return; // what was opened there stays open
  state.detailed = name;
  const details = by("details");
  if (name === null) {
    put(
    details,
      el("p", { class: "dim" }, "Point at a column to see where its value comes from; click to keep it, and click again or press Escape to let go. With the keyboard: Tab, then the arrow keys."),
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
      [
        column.source === null ? "as it came with the record" : null,
        column.ulps === 0 ? "the same to the last bit wherever it is computed" : `the same to ${column.ulps} units in the last place wherever it is computed`,
        column.steps ? `${column.steps.join(" → ")}, ${column.predictor === "compiled" ? "compiled" : "by scikit-learn itself"}` : null,
      ].filter(Boolean).join(" · "),
      column.source === null ? null : el("span", {}, " · ", el("code", {}, column.source)),
    ),
    chips("from", column.inputs),
    chips("into", state.consumers.get(name)),
    matrixOf(column),
  );
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
    el("div", { class: "matrix" }, ...row.map((value, place) => el("div", {}, el("span", { title: names[place] }, names[place]), el("span", {}, short(value))))),
  );
}

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
      el("td", { class: "mono from" }, column.inputs.slice(0, 6).join(", ") + (column.inputs.length > 6 ? ` and ${column.inputs.length - 6} more` : "")),
      el("td", { class: "mono code" }, column.source ?? ""),
    ),
  );
  put(
    by("table"),
    el("table", {}, el("thead", {}, el("tr", {}, ...head.map((one) => el("th", { scope: "col" }, one)))), el("tbody", {}, ...rows)),
  );
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

choose(matchMedia("(max-width: 860px)").matches);
refresh();
