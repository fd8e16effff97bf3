// The last minutes' requests and latency.

const HEIGHT = 60;

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

function ago(now, place) {
  const seconds = (now.intervals.length - 1 - place) * now.interval_seconds;
  return seconds === 0 ? "now" : `${seconds} s ago`;
}

function chart(name, caption, keys, bars) {
  return el(
    "figure",
    { class: "chart" },
    el(
      "figcaption",
      {},
      el("span", {}, keys.map(([kind, text]) => el("span", { class: `key ${kind}` }, text))),
      el("span", {}, caption),
    ),
    svg(
      "svg",
      { viewBox: `0 0 600 ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": `${name}: ${caption}` },
      bars,
    ),
  );
}

function bar(kind, place, top, height, title) {
  return svg("rect", { class: kind, x: place * 10 + 1, y: top, width: 8, height }, svg("title", {}, title));
}

function requestsChart(now) {
  const seconds = now.interval_seconds;
  const most = Math.max(...now.intervals.map((one) => one.answered + one.refused + one.failed));
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
    most === 0 ? "none yet" : `at most ${peak >= 10 ? whole.format(Math.round(peak)) : peak.toFixed(1)} /s`,
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
    const title =
      `${ago(now, place)}: half within ${milliseconds(one.p50)} ms, ` +
      `99 % within ${milliseconds(one.p99)} ms`;
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
