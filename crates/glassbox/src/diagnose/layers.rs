//! Rules about what steps are like inside.

use super::course::SLOW;
use super::rules::{DEAD, EXPLODING, SATURATED, UPDATE, VANISHING};
use super::{Doctor, percent, short};
use crate::inside::{LayerInside, ParameterInside, Spread};

/// Of fewer samples, a unit may be silent by chance.
const FEWEST: usize = 16;

/// What the last look showed.
pub(super) struct Looked {
    /// The median update ratio of the weights, had the rate been the full one.
    pub ratio_at_full_rate: Option<f64>,
    /// That of the first look.
    pub first_ratio: Option<f64>,
    /// Whether gradients reach all weights.
    pub is_alive: bool,
    /// The largest share of silent units of a relu layer.
    pub dead: f64,
}

impl Default for Looked {
    fn default() -> Looked {
        Looked { ratio_at_full_rate: None, first_ratio: None, is_alive: true, dead: 0.0 }
    }
}

/// The size of a typical number.
fn size(spread: &Spread) -> f64 {
    f64::from(spread.mean).hypot(spread.deviation.into())
}

fn weight(layer: &LayerInside) -> Option<&ParameterInside> {
    layer.parameters.iter().find(|parameter| parameter.name == "weight")
}

fn name(layer: &LayerInside) -> String {
    format!("layer {} ({})", layer.index, layer.layer)
}

impl Doctor {
    pub(super) fn look(&mut self, step: u64, layers: &[LayerInside]) {
        let weights: Vec<&ParameterInside> = layers.iter().filter_map(weight).collect();
        let mut ratios: Vec<f64> = weights.iter().filter_map(|w| w.update_ratio).collect();
        ratios.sort_by(f64::total_cmp);
        let ratio = ratios.get(ratios.len() / 2).copied();
        let share = self.rate_share(step);
        if let Some(ratio) = ratio.filter(|_| share > 0.0) {
            self.looked.ratio_at_full_rate = Some(ratio / share);
            self.looked.first_ratio.get_or_insert(ratio / share);
        }
        self.check_dead(step, layers);
        let dead = self.looked.dead;
        self.looked.is_alive = dead < 0.99 && weights.iter().all(|w| w.gradient.norm > 0.0);
        if let Some(ratio) = ratio {
            self.check_ratio(step, ratio);
        }
        // What a network has become that has learned its task is no illness.
        if self.left().is_none_or(|left| left > 0.5) {
            self.check_saturated(step, layers);
            self.check_flow(step, layers);
        } else {
            [SATURATED, VANISHING, EXPLODING].into_iter().for_each(|rule| self.reset(rule));
        }
    }

    // ANCHOR: dead
    fn check_dead(&mut self, step: u64, layers: &[LayerInside]) {
        let is_relu = |layer: &&LayerInside| layer.layer == "relu";
        let share = |layer: &LayerInside| {
            let [stuck, units] = layer.stuck.unwrap_or([0, 1]);
            // Stuck at something else than 0 is not dead.
            let is_silent = stuck < units || layer.output.range[1] <= 1e-6;
            if is_silent { f64::from(stuck) / f64::from(units.max(1)) } else { 0.0 }
        };
        let shares = layers.iter().filter(is_relu).map(|layer| (share(layer), layer));
        let worst = shares.max_by(|a, b| a.0.total_cmp(&b.0));
        let Some((share, layer)) = worst.filter(|_| self.settings.batch >= FEWEST) else { return };
        self.looked.dead = share;
        if self.measure(DEAD, share) {
            let [stuck, units] = layer.stuck.unwrap_or_default();
            let what = format!(
                "{stuck} of {units} units of {} are 0 for every sample of the batch",
                name(layer)
            );
            let cause = "a step that was too large, or inputs far from 0, pushed them to where their slope is 0, so \
                         they never come back";
            let cure = format!(
                "train with --lr {} and --init he; or put leaky0.01 in the place of relu",
                self.lower_rate()
            );
            self.found(DEAD, step, what, cause, cure);
        }
    }
    // ANCHOR_END: dead

    fn check_ratio(&mut self, step: u64, ratio: f64) {
        // The first steps may be wild. Too small a ratio is judged by what is learned, where this look is none between.
        if step > 8 && ratio >= SLOW && self.measure(UPDATE, ratio / 1e-3) {
            self.found_ratio(
                step,
                ratio,
                "nothing that was learned survives such steps",
                self.lower_rate(),
            );
        }
    }

    pub(super) fn found_ratio(&mut self, step: u64, ratio: f64, cause: &str, rate: String) {
        let what = format!("a step moves the weights by {} of themselves", short(ratio));
        let cause = format!("about 10^-3 is usual; {cause}");
        self.found(UPDATE, step, what, cause, format!("train with --lr {rate}"));
    }

    fn check_saturated(&mut self, step: u64, layers: &[LayerInside]) {
        let hidden = layers.split_last().map_or(layers, |(_, hidden)| hidden);
        let share = |layer: &LayerInside| {
            let [low, high] = match &*layer.layer {
                "sigmoid" => [0.01, 0.99],
                "tanh" => [-0.99, 0.99],
                _ => return None,
            };
            let Spread { range, bins, .. } = &layer.output;
            let mut ends = 0;
            ends += if range[0] < low { bins.first().copied().unwrap_or(0) } else { 0 };
            ends += if range[1] > high { bins.last().copied().unwrap_or(0) } else { 0 };
            Some(f64::from(ends) / f64::from(bins.iter().sum::<u32>().max(1)))
        };
        let shares = hidden.iter().filter_map(|layer| Some((share(layer)?, layer)));
        let Some((share, layer)) = shares.max_by(|a, b| a.0.total_cmp(&b.0)) else { return };
        if self.measure(SATURATED, share) {
            let what = format!(
                "{} of the outputs of {} are at an end of its range",
                percent(share),
                name(layer)
            );
            let cause = "its inputs are far from 0, where the slope is next to nothing, and so is what it learns";
            let cure =
                "train with --init xavier, on inputs with mean 0 and deviation 1".to_string();
            self.found(SATURATED, step, what, cause, cure);
        }
    }

    /// How gradients grow or shrink on their way back.
    fn check_flow(&mut self, step: u64, layers: &[LayerInside]) {
        let weights: Vec<f64> =
            layers.iter().filter_map(weight).map(|weight| size(&weight.gradient)).collect();
        let (Some(first_layer), Some(last_layer)) = (layers.first(), layers.last()) else { return };
        if let (&[first, .., last], true) = (&weights[..], weights.len() >= 3)
            && last > 0.0
            && self.measure(VANISHING, last / first.max(f64::MIN_POSITIVE))
        {
            let what = format!(
                "the gradient of the first weights is {} a number, that of the last {}",
                short(first),
                short(last)
            );
            let cause =
                "each layer's slope makes it smaller on its way back; a sigmoid's is at most 1/4";
            let model = self.settings.model.replace("sigmoid", "relu").replace("tanh", "relu");
            let cure = format!("train with --model {model} --init he");
            self.found(VANISHING, step, what, cause, cure);
        }
        let (first, last) = (size(&first_layer.gradient), size(&last_layer.gradient));
        if last > 0.0 && self.measure(EXPLODING, first / last) {
            let what = format!(
                "the gradient of the outputs of {} is {} a number, that of {} is {}",
                name(first_layer),
                short(first),
                name(last_layer),
                short(last)
            );
            let cause = "each layer's weights make it larger on its way back: they began too large, or have grown";
            let cure = "train with --init he; --clip 1 holds what is left".to_string();
            self.found(EXPLODING, step, what, cause, cure);
        }
    }
}
