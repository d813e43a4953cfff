// The panel of a run's network: choose or draw an image, see it flow, pick a unit, see the template it met.

import { Chooser } from "./chooser.js";
import { h, say } from "./dom.js";
import { Flow } from "./flow.js";
import { latest } from "./latest.js";
import { themeOf } from "./paint.js";
import { go, place } from "./place.js";
import { reply } from "./store.js";
import { TemplateView } from "./template.js";
import { onTheme } from "./theme.js";
import { UnitView } from "./unit.js";

/** After so many milliseconds an image is sent on its way; whoever draws meanwhile sends the newest. */
const WAIT = 40;

/** After so many milliseconds a newer network is asked for: the end of an epoch is told before it is kept. */
const KEPT = 300;

/** Whether a run makes steps in this moment. */
export const isRunning = ({ facts }) => facts.control?.phase === "running";

/** What of a run says that it has another network. */
export function stamp({ facts }) {
  const { control, last_epoch: epoch, checkpoint, ending } = facts;
  return JSON.stringify([epoch?.step, control?.phase === "paused" && control.step, control?.phase === "over", checkpoint, ending]);
}

/** The panel. */
export function network() {
  const view = new NetworkView();
  return { element: view.element, update: (run) => view.update(run), remove: () => view.remove() };
}

class NetworkView {
  constructor() {
    /** @type {string} the id of the run */
    this.run = "";
    /** @type {any} what the network is made of */
    this.anatomy = null;
    /** @type {any} the image that is shown, on its way */
    this.looked = null;
    /** @type {any} the unit that is picked */
    this.unit = null;
    /** @type {Flow | null} */
    this.flow = null;
    // Of the address: all of it, and the unit that was asked for.
    [this.stamp, this.at, this.picked] = ["", "", ""];
    this.refresh = latest(() => this.read(), KEPT);
    this.look = latest(() => this.send(), WAIT);
    this.pick = latest(() => this.askUnit(), 0);
    this.chooser = new Chooser(() => this.look());
    this.template = new TemplateView((output) => this.pickOutput(output));
    this.unitView = new UnitView((what) => this.openStep(what));
    this.why = h("p", { class: "why", role: "status" }, "One moment …");
    this.stage = h("div", { class: "card network-stage" });
    this.body = h("div", { class: "network-body", hidden: true }, this.stage,
      h("div", { class: "network-cards" }, this.unitView.element, this.template.element));
    this.element = h("div", { class: "network" }, this.why, this.body);
    this.repaint = latest(async () => this.paint(), 30);
    this.forget = onTheme(() => { this.chooser.pad.paint(); this.paint(); });
    this.observer = new ResizeObserver(() => this.repaint());
    this.observer.observe(this.element);
  }

  remove() {
    this.observer.disconnect();
    [this.refresh, this.look, this.pick, this.repaint].forEach((work) => work.stop());
    [this.run, this.flow] = ["", null];
    this.forget();
  }

  /** The run may have another network, and the address may name another image, unit or class. */
  update(run) {
    const at = JSON.stringify(place());
    if (run.id !== this.run || stamp(run) !== this.stamp) {
      const isFirst = run.id !== this.run;
      [this.run, this.stamp, this.at] = [run.id, stamp(run), at];
      if (isRunning(run) && !isFirst) this.refresh.later(this.look.took());
      else this.refresh(isFirst ? 0 : KEPT);
    } else if (at !== this.at) {
      this.at = at;
      if (!this.anatomy) return;
      if (this.chooser.read()) this.look(0);
      if (place().unit !== this.picked) this.pick();
    }
  }

  path(rest = "") {
    return `api/runs/${encodeURIComponent(this.run)}/network${rest}`;
  }

  /** Reads the newest network, and sends the image through it. */
  async read() {
    const { run } = this;
    const [anatomy, why] = await reply(this.path());
    if (run !== this.run) return;
    this.body.hidden = !anatomy;
    say(this.why, why);
    if (!anatomy) return;
    const kind = ({ network, images }) => JSON.stringify([network, images]);
    const isOther = !this.anatomy || kind(anatomy) !== kind(this.anatomy);
    this.anatomy = anatomy;
    if (isOther) this.begin();
    // In line with what else is asked for, so that no wish is lost.
    this.look(0);
    this.pick();
  }

  /** Begins with a network of another shape, at what stands in the address. */
  begin() {
    [this.looked, this.unit] = [null, null];
    this.chooser.begin(this.anatomy);
    this.flow = new Flow(this.anatomy, this.chooser.element, (place) => this.pickUnit(place), (output) => this.pickOutput(output));
    this.stage.replaceChildren(this.flow.element);
    // Without a hidden layer there is nothing to pick.
    this.unitView.element.hidden = this.flow.stages.length === 0;
  }

  /** Sends the image on its way. */
  async send() {
    const { run, flow, chooser } = this;
    if (!flow) return;
    const isDrawing = chooser.isDrawing;
    const { output } = place();
    const query = new URLSearchParams(output === "" ? {} : { output });
    const [looked, why] = await reply(...chooser.request(this.path(), query));
    if (run !== this.run || flow !== this.flow || isDrawing !== chooser.isDrawing) return;
    say(this.why, why || (this.anatomy.no_images ?? ""));
    if (!looked) return;
    this.looked = looked;
    chooser.show(looked);
    this.paint();
  }

  /** @param {{layer: number, unit: number}} wished */
  pickUnit({ layer, unit }) {
    const name = `${layer}.${unit}`;
    go({ unit: place().unit === name ? "" : name }, true);
    this.pick();
    // The frame does not wait for the weights.
    this.paint();
  }

  /** The unit that the address names, if it is one that is drawn. */
  wished() {
    const [layer, unit] = place().unit.split(".").map(Number);
    const isDrawn = this.flow?.stages.some((stage) => stage.layer.index === layer && unit < stage.count);
    return isDrawn ? { layer, unit } : null;
  }

  async askUnit() {
    this.picked = place().unit;
    const wished = this.wished();
    const [found] = wished ? await reply(this.path(`/unit?layer=${wished.layer}&unit=${wished.unit}`)) : [null];
    this.unit = found;
    this.paint();
  }

  /** @param {number} output */
  pickOutput(output) {
    go({ output: place().output === String(output) ? "" : String(output) }, true);
    this.look(0);
  }

  /**
   * Opens the step of a number: of this image if it is a test image and the number is one of its outputs, else of the
   * first training images.
   * @param {string} what
   */
  openStep(what) {
    const row = this.looked?.row;
    const isHere = row !== null && !what.startsWith("dL");
    go({ tab: "step", what, first: isHere ? String(row) : "0", batch: isHere ? "1" : "", set: isHere ? "test" : "" });
  }

  paint() {
    const { flow, looked, anatomy, unit } = this;
    if (!flow || !looked || !anatomy || this.element.clientWidth === 0) return;
    const theme = themeOf(this.element, anatomy.diverging);
    const wished = this.wished();
    flow.show(looked, wished, this.chooser.caption(looked), theme);
    this.template.show(looked, anatomy.shape, theme);
    this.unitView.show(unit, looked, anatomy, theme);
    const isAt = unit && wished && unit.layer === wished.layer && unit.unit === wished.unit;
    flow.wire(isAt ? unit : null, looked, theme);
  }
}
