// The version that serves and what was checked of it, and the versions beside it.

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
  const rest = golden.columns - golden.exact;
  const slow = models.filter((one) => !one.is_compiled);
  const fast = models.filter((one) => one.is_compiled);
  const facts = [
    ["fitted on", `${whole.format(version.rows)} rows`],
    ...(version.trained_until === null ? [] : [["until", `${utc.format(new Date(version.trained_until))} UTC`]]),
    ...Object.entries(version.metrics).map(([name, value]) => [name, short(value)]),
  ];
  put(
    by("serving"),
    el("p", { class: "version" }, el("strong", {}, `Version ${version.version}`), el("span", { class: "dim", id: "since" })),
    el(
      "ul",
      { class: "checks" },
      check(
        "good",
        "✓",
        "It computes here what it computed when it was fitted.",
        `${whole.format(golden.records)} golden records were replayed in this process before it served, ` +
          `${golden.columns} columns each: ${golden.exact} are the same bit for bit` +
          (rest === 0 ? "." : `, ${rest} within ${golden.ulps} ulps.`),
      ),
      fast.length > 0
        ? check(
            "good",
            "✓",
            `${named(fast)}: compiled.`,
            `They give what scikit-learn gives, ${exactly(fast)}, on the golden records, and on missing, ` +
              "unseen and extreme values.",
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

function showSince(since) {
  const shown = by("since");
  if (shown !== null) shown.textContent = since === null ? "" : `live since ${moment.format(new Date(since))}`;
}

function exactly(models) {
  const ulps = Math.max(...models.map((one) => one.ulps));
  return ulps === 0 ? "bit for bit" : `within ${ulps} ulps (units in the last place)`;
}

const named = (models) => models.map((one) => one.name).join(", ");

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
  if (now.log?.overdue) {
    const why = "They are kept beyond their time, as far as there is room: replay them. Or the clock runs ahead.";
    found.push(check("warn", "–", `Segments of the request log that nobody has replayed: ${now.log.overdue}.`, why));
  }
  if (now.log?.lost) {
    const why = "keep_bytes has no room for more.";
    found.push(check("bad", "✗", `Segments of the request log that were removed unreplayed: ${now.log.lost}.`, why));
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
