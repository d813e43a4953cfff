// Numbers as people read them.

export const NONE = "–";

/** Four digits that count, or so many. */
export function number(x, digits = 4) {
  if (x == null || !Number.isFinite(x)) return NONE;
  if (x === 0) return "0";
  const size = Math.abs(x);
  if (size >= 1e6 || size < 1e-4) return x.toExponential(2).replace("e+", "e").replace("-", "−");
  return Number(x.toPrecision(digits)).toString().replace("-", "−");
}

/** With thin spaces between thousands. */
export function whole(x) {
  if (x == null || !Number.isFinite(x)) return NONE;
  return Math.round(x).toString().replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

/** A share in percent. */
export function percent(x, digits = 2) {
  return x == null || !Number.isFinite(x) ? NONE : `${(100 * x).toFixed(digits)} %`;
}

/** Seconds, in two units at most. */
export function duration(seconds) {
  if (seconds == null || !Number.isFinite(seconds)) return NONE;
  if (seconds < 1) return seconds === 0 ? "0 s" : `${seconds.toFixed(2)} s`;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  const hours = Math.floor(minutes / 60);
  if (hours >= 10 && hours < 48) return `${hours} h`;
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.round(hours / 24)} days`;
}

/** Bytes in powers of 1024. */
export function bytes(x) {
  if (x == null) return NONE;
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const power = x > 0 ? Math.min(4, Math.floor(Math.log2(x) / 10)) : 0;
  const value = x / 1024 ** power;
  return `${value.toFixed(value < 10 && power > 0 ? 1 : 0)} ${units[power]}`;
}

/** How long ago a time in seconds since 1970 was. */
export function ago(seconds) {
  const since = Date.now() / 1000 - seconds;
  if (since < 60) return "just now";
  if (since < 3600) return `${Math.floor(since / 60)} min ago`;
  if (since < 86400) return `${Math.floor(since / 3600)} h ago`;
  return new Date(seconds * 1000).toLocaleDateString();
}
