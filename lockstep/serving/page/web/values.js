// Values as texts.

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
