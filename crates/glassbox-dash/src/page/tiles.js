// The numbers of a run and of the machine, or why there is none.

import { h, say } from "./dom.js";
import { NONE, bytes, duration, number, percent, whole } from "./format.js";
import { store } from "./store.js";

/** A tile: a name, a number, and what there is to say of it. Each `of(run)` gives `[number, remark]`. */
const RUN = [
  ["Loss", "loss", ({ facts }) => [number(facts.epoch_loss ?? facts.last_epoch?.train_loss), loss(facts)]],
  ["Accuracy", "accuracy", ({ facts }) => [percent(facts.epoch_accuracy ?? facts.last_epoch?.train_accuracy), "training, so far"]],
  ["Validation", "validation", validation],
  ["Images a second", "speed", ({ facts }) => [whole(facts.images_per_second), "in training steps"]],
  ["Time left", "left", left],
  ["Time trained", "time", ({ facts }) => [duration(facts.seconds), "in training steps"]],
];

const MACHINE = [
  ["Processors", "cpu", ({ host }) => [share(host?.cpu_percent), host?.process_cpus == null ? why(host) : `${host.process_cpus.toFixed(1)} of ${host.cpus} by this process`]],
  ["Memory", "memory", ({ host }) => [bytes(host?.memory_used_bytes), host?.memory_total_bytes ? `of ${bytes(host.memory_total_bytes)}; process ${bytes(host.process_memory_bytes)}` : why(host)]],
  ["GPU", "gpu", ({ gpu, run }) => [share(gpu?.utilization_percent), gpu ? missing(gpu, "utilization_percent") : noGpu(run)]],
  ["GPU memory", "gpu-memory", ({ gpu }) => gpu && [bytes(gpu.memory_used_bytes), gpu.memory_total_bytes ? `of ${bytes(gpu.memory_total_bytes)}` : missing(gpu, "memory_used_bytes")]],
  ["GPU power", "gpu-power", ({ gpu }) => gpu && [gpu.power_watts == null ? NONE : `${gpu.power_watts.toFixed(0)} W`, missing(gpu, "power_watts")]],
  ["GPU temperature", "gpu-temperature", ({ gpu }) => gpu && [gpu.temperature_celsius == null ? NONE : `${gpu.temperature_celsius} °C`, gpu.sm_clock_mhz ? `${whole(gpu.sm_clock_mhz)} MHz` : missing(gpu, "temperature_celsius")]],
];

function loss(facts) {
  return facts.loss == null && facts.step > 0 && facts.rate != null ? "batch: no number" : `batch ${number(facts.loss, 3)}`;
}

function validation({ id, facts }) {
  const epoch = facts.last_epoch;
  if (epoch?.validation_accuracy != null) return [percent(epoch.validation_accuracy), `best ${percent(facts.best_validation)}`];
  if (epoch?.validation_loss != null) return [number(epoch.validation_loss), "loss"];
  const full = store.full.get(id);
  return [NONE, full?.has_validation ? "after the first epoch" : "no validation set: train with --validation 0.1"];
}

function left({ facts }) {
  if (facts.ending) return [NONE, "the run is over"];
  return [duration(facts.seconds_left), facts.seconds_left == null ? "after the first steps" : "at this speed"];
}

function share(x) {
  return x == null ? NONE : `${Math.round(x)} %`;
}

function why(host) {
  return host?.missing ?? (host ? "" : "one moment …");
}

function missing(gpu, field) {
  return gpu.missing?.[field] ?? "";
}

function noGpu(run) {
  return run?.device && !run.device.startsWith("cuda") ? `none: this run computes on ${run.device}` : "no reading yet";
}

function tile([name, key, of]) {
  const value = h("dd", { class: "value" });
  const remark = h("dd", { class: "remark" });
  const element = h("div", { class: "tile", "data-tile": key }, h("dt", {}, name), value, remark);
  return { element, update(about) {
    const told = of(about);
    element.hidden = !told;
    if (!told) return;
    say(value, told[0]);
    say(remark, told[1] ?? "");
  } };
}

/** Both rows of tiles, with an `update(run)`. */
export function tiles() {
  const [ofRun, ofMachine] = [RUN.map(tile), MACHINE.map(tile)];
  const element = h("section", { "aria-label": "Numbers" },
    h("dl", { class: "tiles" }, ofRun.map((tile) => tile.element)),
    h("dl", { class: "machine" }, ofMachine.map((tile) => tile.element)));
  return { element, update(run) {
    ofRun.forEach((tile) => tile.update(run));
    const isHere = run.live || run.facts.gpu;
    ofMachine.forEach((tile) => tile.update({ host: store.host, gpu: isHere ? run.facts.gpu : null, run }));
  } };
}
