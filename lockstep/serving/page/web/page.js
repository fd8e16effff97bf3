// The page: it asks again and again what goes on, and shows it.

const REFRESH = 2000; // milliseconds

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

async function refresh() {
  clearTimeout(state.timer);
  state.timer = setTimeout(refresh, REFRESH);
  if (document.hidden) return;
  try {
    const now = await told(await ask("page/now"));
    if (now.intervals === undefined) throw new Error(now.message);
    showNow(now);
    if (now.version !== null && !isShown(now)) await showVersion();
    if (now.version !== null) showSince(now.since);
    if (!now.ready) showUnready(now);
  } catch (error) {
    if (error instanceof TokenNeeded) return;
    setState("bad", "not reachable");
    notify(`The server cannot be asked (${error.message}). This page tries again.`);
  }
}

const isShown = (now) => now.version === state.shown?.version && now.digest === state.shown.digest;

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

function showNow(now) {
  const token = sessionStorage.getItem(TOKEN) !== null;
  by("forget").hidden = !token;
  document.querySelector("nav").hidden = token; // links cannot send it
  by("pipeline").textContent = now.pipeline;
  document.title = `${now.pipeline} · Lockstep`;
  if (now.ready) setState("good", `version ${now.version} serves`);
  if (now.log?.failing) showFailingLog(now.log);
  else notify(now.refused === null ? "" : refusalOf(now));
  showVersions(now);
  showBeside(now);
  showTraffic(now);
}

function refusalOf({ refused, version }) {
  const goesOn = version === null ? "" : `; version ${version} goes on`;
  return `Version ${refused.version ?? "?"} was to serve and is refused here${goesOn}: ${refused.reason}`;
}

function showFailingLog({ failing, when_full }) {
  const refuses = when_full === "refuse";
  setState("bad", refuses ? "requests are refused" : "requests go unlogged");
  notify(
    `The request log cannot be written (${failing}), and ` +
      (refuses ? "nothing is answered unlogged: requests get 503" : "requests are answered unlogged") +
      ". It goes on by itself when the disk has room.",
  );
}

function showUnready(now) {
  if (now.version !== null) {
    if (now.draining) setState("warn", "stopping");
    return;
  }
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

choose(matchMedia("(max-width: 860px)").matches);
refresh();
