// Pictures that the server draws: fetched, and anew when their run has changed, at most twice a second. While the server's
// process trains, whose processors draw them, only those that are seen, and when it says that it may have drawn them anew.

import { h } from "./dom.js";
import { isTraining } from "./runs.js";
import { REFUSED, ask, onStore, silence, store } from "./store.js";
import { isDark, onTheme } from "./theme.js";

const PERIOD = 500;
const pictures = new Set();
const isAnyTraining = () => [...store.runs.values()].some(isTraining);

const observer = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    entry.target.picture.isSeen = entry.isIntersecting;
    entry.target.picture.want();
  }
});

const sizes = new ResizeObserver((entries) => entries.forEach(({ target }) => target.picture.change()));

/** A picture of some runs. `choose()` says of which, and how: `{ runs, …options }`. */
export class Picture {
  constructor(subject, choose) {
    Object.assign(this, { subject, choose, isSeen: false, isDirty: true, isBusy: false, isGone: false, at: -PERIOD, due: 0, tag: null, shown: "" });
    this.image = h("img", { alt: "", hidden: true, decoding: "async" });
    this.why = h("p", { class: "why" }, "One moment …");
    this.element = h("figure", { class: "picture to-come", "data-subject": subject }, this.image, this.why);
    this.element.picture = this;
    observer.observe(this.element);
    sizes.observe(this.element);
    pictures.add(this);
  }

  /** There is something new, if it is a picture of one of these runs. */
  touch(ids) {
    if (this.choose().runs.some((id) => ids.has(id))) this.change();
  }

  change() {
    this.isDirty = true;
    this.want();
  }

  /** What is under way when it goes is neither shown nor followed by more. */
  remove() {
    this.isGone = true;
    observer.unobserve(this.element);
    sizes.unobserve(this.element);
    clearTimeout(this.timer);
    pictures.delete(this);
    URL.revokeObjectURL(this.image.src);
    this.image.removeAttribute("src");
  }

  /** Fetches it as soon as that is worthwhile. */
  want() {
    if (this.isGone || !this.isDirty || this.isBusy || document.hidden) return;
    if (!this.isSeen && isAnyTraining()) return;
    clearTimeout(this.timer);
    // What the server said is of the picture that is shown; and where no training goes on, everything is drawn at once.
    const isTold = this.shown === this.address() && isAnyTraining();
    const due = Math.max(this.at + PERIOD, isTold ? this.due : 0);
    this.timer = setTimeout(() => this.fetch(), Math.max(0, due - performance.now()));
  }

  address() {
    const { runs, ...options } = this.choose();
    const width = Math.max(240, Math.floor(this.element.clientWidth / 20) * 20);
    const said = { runs: runs.join(","), width, dark: isDark() ? 1 : 0, ...options };
    return `api/pictures/${this.subject}?${new URLSearchParams(said)}`;
  }

  async fetch() {
    const address = this.address();
    const headers = this.tag && this.shown === address ? { "if-none-match": this.tag } : {};
    [this.isBusy, this.isDirty, this.at] = [true, false, performance.now()];
    const answer = await ask(address, { headers, cache: "no-store" });
    await this.take(answer, address);
    this.isBusy = false;
    const [stale, fresh] = ["stale", "fresh"].map((name) => Number(answer?.headers.get(`glassbox-${name}`) ?? 0));
    if (stale) this.isDirty = true;
    this.due = performance.now() + Math.max(stale, fresh);
    this.want();
  }

  /** Shows what has come, or says why there is nothing. */
  async take(answer, address) {
    if (this.isGone) return;
    if (answer?.status !== 304) {
      const isPicture = answer?.headers.get("content-type") === "image/svg+xml";
      const text = await answer?.text().catch(() => null);
      if (this.isGone) return;
      if (isPicture && text != null) await this.show(text);
      else this.excuse(answer, text);
    }
    // A picture that is to come has its room, so that what lies below is not taken for seen.
    this.element.classList.toggle("to-come", this.image.hidden && this.isToCome());
    this.tag = answer?.ok || answer?.status === 304 ? answer.headers.get("etag") : null;
    this.shown = address;
  }

  isToCome() {
    return store.link !== "over" && this.choose().runs.some((id) => isTraining(store.runs.get(id)));
  }

  /** Says why there is no picture. While nobody answers, the one before stays. */
  excuse(answer, text) {
    if (text == null && !this.image.hidden) return;
    [this.why.textContent, this.why.hidden, this.image.hidden] = [text == null ? silence() : reason(text), false, true];
  }

  async show(text) {
    const drawing = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
    const [before, next] = [this.image.src, URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }))];
    this.image.src = next;
    await this.image.decode().catch(() => {});
    if (before) URL.revokeObjectURL(before);
    if (this.isGone) return;
    const description = drawing.querySelector("desc")?.textContent ?? "";
    this.image.alt = `${drawing.getAttribute("aria-label") ?? this.subject}. ${description}`.trim();
    [this.image.hidden, this.why.hidden] = [false, true];
    this.element.dataset.version = String(Number(this.element.dataset.version ?? 0) + 1);
  }
}

/** The reason that the server gives. */
function reason(text) {
  try {
    return JSON.parse(text).why ?? REFUSED;
  } catch {
    return REFUSED;
  }
}

// What was not answered is asked for again when the server is there again; and when it has said goodbye, what never came
// says so.
let link = store.link;
onStore(() => {
  const before = link;
  link = store.link;
  const isBack = before === "lost" && link === "here";
  const isOver = before !== "over" && link === "over";
  if (!isBack && !isOver) return;
  pictures.forEach((picture) => {
    picture.due = 0;
    picture.change();
  });
});
document.addEventListener("visibilitychange", () => pictures.forEach((picture) => picture.want()));
onTheme(() => pictures.forEach((picture) => picture.change()));
