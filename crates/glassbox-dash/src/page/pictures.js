// Pictures that the server draws: fetched where they are seen, and anew when their run has changed, at most twice a second.

import { h } from "./dom.js";
import { isDark, onTheme } from "./theme.js";

const PERIOD = 500;
const seen = new Set();

const observer = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    entry.target.picture.isSeen = entry.isIntersecting;
    entry.target.picture.want();
  }
}, { rootMargin: "200px" });

const sizes = new ResizeObserver((entries) => entries.forEach(({ target }) => target.picture.change()));

/** A picture of some runs. `ask()` says of which, and how: `{ runs, …options }`. */
export class Picture {
  constructor(subject, ask) {
    Object.assign(this, { subject, ask, isSeen: false, isDirty: true, isBusy: false, at: 0, tag: null, shown: "" });
    this.image = h("img", { alt: "", hidden: true, decoding: "async" });
    this.why = h("p", { class: "why" }, "One moment …");
    this.element = h("figure", { class: "picture", "data-subject": subject }, this.image, this.why);
    this.element.picture = this;
    observer.observe(this.element);
    sizes.observe(this.element);
    seen.add(this);
  }

  /** There is something new, if it is a picture of one of these runs. */
  touch(ids) {
    if (this.ask().runs.some((id) => ids.has(id))) this.change();
  }

  change() {
    this.isDirty = true;
    this.want();
  }

  remove() {
    observer.unobserve(this.element);
    sizes.unobserve(this.element);
    clearTimeout(this.timer);
    seen.delete(this);
    URL.revokeObjectURL(this.image.src);
  }

  /** Fetches it as soon as that is worthwhile. */
  want(wait = this.at + PERIOD - Date.now()) {
    if (!this.isDirty || !this.isSeen || this.isBusy || document.hidden) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.fetch(), Math.max(0, wait));
  }

  address() {
    const { runs, ...options } = this.ask();
    const width = Math.max(240, Math.floor(this.element.clientWidth / 20) * 20);
    const said = { runs: runs.join(","), width, dark: isDark() ? 1 : 0, ...options };
    return `api/pictures/${this.subject}?${new URLSearchParams(said)}`;
  }

  async fetch() {
    const address = this.address();
    const headers = this.tag && this.shown === address ? { "if-none-match": this.tag } : {};
    [this.isBusy, this.isDirty, this.at] = [true, false, Date.now()];
    try {
      const answer = await fetch(address, { headers, cache: "no-store" });
      if (answer.status !== 304) await this.show(answer);
      [this.tag, this.shown] = [answer.headers.get("etag"), address];
      const stale = Number(answer.headers.get("glassbox-stale"));
      if (stale) this.isDirty = true;
      this.isBusy = false;
      this.want(stale ? Math.max(stale, PERIOD) : undefined);
    } catch {
      this.isBusy = false;
      if (this.image.hidden) this.why.textContent = "The dashboard does not answer.";
    }
  }

  async show(answer) {
    if (answer.headers.get("content-type") !== "image/svg+xml") {
      const { why } = await answer.json();
      [this.why.textContent, this.why.hidden, this.image.hidden] = [why, false, true];
      return;
    }
    const text = await answer.text();
    const drawing = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
    const next = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
    const before = this.image.src;
    this.image.src = next;
    await this.image.decode().catch(() => {});
    const description = drawing.querySelector("desc")?.textContent ?? "";
    this.image.alt = `${drawing.getAttribute("aria-label") ?? this.subject}. ${description}`.trim();
    [this.image.hidden, this.why.hidden] = [false, true];
    this.element.dataset.version = String(Number(this.element.dataset.version ?? 0) + 1);
    if (before) URL.revokeObjectURL(before);
  }
}

document.addEventListener("visibilitychange", () => seen.forEach((picture) => picture.want()));
onTheme(() => seen.forEach((picture) => picture.change()));
