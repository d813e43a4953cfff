// Where the image comes from: a test image by number, by class, or the next mistake; or a drawing.

import { h, say } from "./dom.js";
import { whole } from "./format.js";
import { Pad, SIDE, write } from "./pad.js";
import { go, place } from "./place.js";

/** Inputs of a network that drawings are prepared for. */
const DRAWN = 784;

export class Chooser {
  /** @param {(soon?: number) => void} onChange another image is to be sent on its way */
  constructor(onChange) {
    this.onChange = onChange;
    /** @type {any} */
    this.anatomy = null;
    /** @type {"at" | "next" | "previous"} */
    this.way = "at";
    this.pad = new Pad(() => onChange(), () => go({ ink: write(this.pad.strokes) }, true));
    const step = (/** @type {"next" | "previous"} */ way, /** @type {string} */ text, /** @type {string} */ label) =>
      h("button", { type: "button", class: "small", "aria-label": label, title: label, "data-go": way, onclick: () => this.choose(way) }, text);
    this.row = h("input", { type: "number", min: 0, "aria-label": "Number of the test image", onchange: () => this.choose("at") });
    this.class = h("select", { onchange: () => this.choose("next") });
    this.wrong = h("input", { type: "checkbox", onchange: () => this.choose(this.wrong.checked ? "next" : "at") });
    this.count = h("p", { class: "note" });
    this.choice = h("div", { class: "choice" },
      h("div", { class: "row" }, step("previous", "‹", "The test image before"), this.row, step("next", "›", "The next test image")),
      h("label", {}, "of class ", this.class), h("label", {}, this.wrong, " only mistakes"), this.count);
    const source = (/** @type {string} */ from, /** @type {string} */ text) =>
      h("button", { type: "button", "data-from": from, onclick: () => this.turn(from) }, text);
    this.sources = [source("", "Test image"), source("draw", "Draw")];
    this.element = h("div", { class: "chooser" },
      h("div", { class: "source", role: "group", "aria-label": "Where the image comes from" }, this.sources),
      this.choice, this.pad.element);
  }

  get isDrawing() {
    const [test, draw] = this.sources;
    return !draw.disabled && (place().from === "draw" || test.disabled);
  }

  /**
   * Begins with a network, at what stands in the address.
   * @param {any} anatomy
   */
  begin(anatomy) {
    this.anatomy = anatomy;
    const { images, inputs } = anatomy;
    this.class.replaceChildren(h("option", { value: "" }, "any"),
      ...Array.from({ length: images?.classes ?? 0 }, (_, at) => h("option", { value: at }, String(at))));
    this.row.max = String(Math.max(0, (images?.count ?? 1) - 1));
    const [test, draw] = this.sources;
    [test.disabled, draw.disabled] = [!images, inputs !== DRAWN];
    if (draw.disabled) draw.title = `Drawings become 28 × 28 pixels, and this network takes ${inputs} numbers`;
    this.read();
  }

  /** Takes over what stands in the address; whether that is another image. */
  read() {
    const at = place();
    const before = this.address();
    this.row.value = at.row;
    this.class.value = at.class;
    this.wrong.checked = at.mistakes === "1";
    if (at.ink !== write(this.pad.strokes)) this.pad.load(at.ink);
    this.sources.forEach((one) => one.setAttribute("aria-pressed", String((one.dataset.from === "draw") === this.isDrawing)));
    [this.choice.hidden, this.pad.element.hidden] = [this.isDrawing, !this.isDrawing];
    this.pad.paint();
    return this.address() !== before;
  }

  /** What of the address this is. */
  address() {
    const pressed = this.sources.findIndex((one) => one.getAttribute("aria-pressed") === "true");
    return JSON.stringify([pressed, pressed === 1 ? write(this.pad.strokes) : this.row.value]);
  }

  /** @param {string} from */
  turn(from) {
    go({ from }, true);
    this.read();
    this.onChange(0);
  }

  /** @param {"at" | "next" | "previous"} way */
  choose(way) {
    this.way = way;
    const row = Math.max(0, Math.floor(Number(this.row.value) || 0));
    go({ row: String(row), class: this.class.value, mistakes: this.wrong.checked ? "1" : "" }, true);
    this.onChange(0);
  }

  /**
   * The request that sends the image on its way.
   * @param {string} path
   * @param {URLSearchParams} query
   * @returns {[string, RequestInit?]}
   */
  request(path, query) {
    if (this.isDrawing) {
      query.set("width", String(SIDE));
      query.set("height", String(SIDE));
      const headers = { "content-type": "application/octet-stream" };
      return [`${path}/drawing?${query}`, { method: "POST", body: this.pad.ink(), headers }];
    }
    query.set("row", String(Math.max(0, Math.floor(Number(this.row.value) || 0))));
    query.set("go", this.way);
    this.way = "at";
    if (this.class.value) query.set("class", this.class.value);
    if (this.wrong.checked) query.set("wrong", "1");
    return [`${path}/image?${query}`];
  }

  /**
   * Says which image it was.
   * @param {any} looked
   */
  show(looked) {
    if (looked.row === null || !this.anatomy.images) return;
    this.row.value = String(looked.row);
    go({ row: String(looked.row) }, true);
    const { count, name } = this.anatomy.images;
    const of = this.class.value ? ` of class ${this.class.value}` : "";
    say(this.count, this.wrong.checked ? `${whole(looked.matches)} mistakes${of} among ${whole(count)}`
      : of ? `${whole(looked.matches)}${of} among ${whole(count)}` : `${whole(count)} test images of ${name}`);
  }

  /**
   * @param {any} looked
   */
  caption(looked) {
    if (looked.row !== null) return `Test image ${looked.row}, a ${looked.label}`;
    const isEmpty = looked.pixels.every((/** @type {number} */ pixel) => pixel === 0);
    return isEmpty ? "Nothing is drawn yet: an empty sheet" : "Fitted into 20 × 20, centred by mass";
  }
}
