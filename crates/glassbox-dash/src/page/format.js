// Numbers as people read them.

export const NONE = "–";

/** A number with so many digits that count, without zeros at the end. */
export function number(x, digits = 4, none = NONE) {
  if (x == null || !Number.isFinite(x)) return none;
  const size = Math.abs(x);
  const isUsual = x === 0 || (size < 1e6 && size >= 1e-4);
  if (isUsual) return minus(Number(x.toPrecision(digits)).toString());
  return minus(x.toExponential(Math.max(0, digits - 1)).replace(/\.?0*e\+?/, "e"));
}

/** A number of a network or of a step; what is no number is said so. */
export function figure(x, digits) {
  return number(x, digits, "not a number");
}

/** Such a number with so many decimals. */
export function fixed(x, decimals) {
  return x == null || !Number.isFinite(x) ? "not a number" : minus(x.toFixed(decimals));
}

function minus(text) {
  return text.replaceAll("-", "−");
}

/** A text as one word of a line for sh, to be pasted: what a name holds is never run. */
export function shellWord(text) {
  // What begins with a dash would be an option.
  const word = text.startsWith("-") ? `./${text}` : text;
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`;
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

/** A probability in percent, which is 0 or 100 only where it is. */
export function probability(share) {
  if (share > 0 && share < 5e-4) return "< 0.1 %";
  if (share < 1 && share >= 0.9995) return "> 99.9 %";
  return percent(share, 1);
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
