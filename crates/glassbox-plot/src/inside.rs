//! What steps were like inside: how weights, outputs and gradients are spread, how far steps move the weights, and which
//! units are stuck.

use crate::chart::{Axis, Chart, Guide, draw};
use crate::figure::{Figure, KEY, colour_key};
use crate::history::History;
use crate::scale::{Scale, Unit};
use crate::series::{Series, Stroke};
use crate::strip::{HEAD, Strip};
use crate::theme::Look;
use glassbox::{LayerInside, ParameterInside, Spread};

/// The most layers or parameters that one picture shows.
const MOST: usize = 24;

/// How weights and biases are spread, over the steps.
pub fn weights(history: &History, look: &Look) -> String {
    let of = |parameter: &ParameterInside| parameter.value.clone();
    strips(history, look, "Weights and biases", "values", &of_parameters(history, &of))
}

/// How the outputs of each layer are spread, over the steps.
pub fn activations(history: &History, look: &Look) -> String {
    let mut strips: Vec<(String, Looks)> = Vec::new();
    for (step, layers) in &history.insides {
        for layer in layers.iter().take(MOST) {
            add(&mut strips, name_of(layer), *step, layer.output.clone());
        }
    }
    self::strips(history, look, "Activations", "outputs of a batch", &strips)
}

/// How the gradients of weights and biases are spread, over the steps.
pub fn gradients(history: &History, look: &Look) -> String {
    let of = |parameter: &ParameterInside| parameter.gradient.clone();
    strips(history, look, "Gradients", "gradients of a batch", &of_parameters(history, &of))
}

/// The norms of the gradients of all weights, and how far steps move them, over the steps.
pub fn flow(history: &History, look: &Look) -> String {
    let subtitle = "Both axes are logarithmic. A step usually moves weights by about a thousandth of their size; \
                    far more is unstable, far less is slow.";
    let figure = figure(history, look, "Gradient flow", subtitle);
    let norm = |layer: &LayerInside, at: usize| Some(layer.parameters.get(at)?.gradient.norm);
    let ratio = |layer: &LayerInside, at: usize| layer.parameters.get(at)?.update_ratio;
    let norms = chart(history, look, "norm of the gradient of the weights", &norm);
    let mut ratios = chart(history, look, "size of a step, in sizes of the weights", &ratio);
    if norms.series.is_empty() {
        return figure.empty(NOTHING);
    }
    ratios.guides.push(Guide { at: 1e-3, text: "usual: 10⁻³".to_string() });
    ratios.y.with.push(1e-3);
    draw(&figure, &[norms, ratios])
}

/// The share of units that say the same to every sample of a batch, over the steps.
pub fn stuck(history: &History, look: &Look) -> String {
    let subtitle = "Units whose output is the same for every sample of the batch: they pass nothing on, and a relu \
                    that is stuck learns nothing.";
    let figure = figure(history, look, "Stuck units", subtitle);
    let mut all: Vec<(String, Vec<[f64; 2]>)> = Vec::new();
    for (step, layers) in &history.insides {
        for layer in layers.iter().take(MOST) {
            let Some([stuck, units]) = layer.stuck else { continue };
            let (name, share) = (name_of(layer), f64::from(stuck) / f64::from(units.max(1)));
            let at = [*step as f64, share];
            match all.iter_mut().find(|(other, _)| *other == name) {
                Some((_, points)) => points.push(at),
                None => all.push((name, vec![at])),
            }
        }
    }
    if all.is_empty() {
        return figure.empty("No layer that can be stuck was looked into.");
    }
    let mut chart = axes("stuck units, %", Unit::Percent, false);
    chart.y.with = vec![0.0, 0.05];
    let series = all.into_iter().enumerate();
    chart.series = series
        .map(|(index, (name, points))| {
            Series::new(&name, points, look.colours().nth(index), Stroke::Dots)
        })
        .collect();
    draw(&figure, &[chart])
}

const NOTHING: &str = "No step was looked into. Train with --inside to see this.";

/// Spreads with their steps.
type Looks = Vec<(u64, Spread)>;

/// The spreads of every parameter.
fn of_parameters(
    history: &History,
    of: &dyn Fn(&ParameterInside) -> Spread,
) -> Vec<(String, Looks)> {
    let mut strips = Vec::new();
    for (step, layers) in &history.insides {
        for layer in layers.iter().take(MOST) {
            for parameter in layer.parameters.iter().take(4) {
                let name = format!("{} {}", name_of(layer), parameter.name);
                add(&mut strips, name, *step, of(parameter));
            }
        }
    }
    strips
}

fn add(strips: &mut Vec<(String, Looks)>, name: String, step: u64, spread: Spread) {
    match strips.iter().position(|(other, _)| *other == name) {
        Some(index) => strips[index].1.push((step, spread)),
        None if strips.len() < MOST => strips.push((name, vec![(step, spread)])),
        None => {}
    }
}

fn name_of(layer: &LayerInside) -> String {
    format!("{} {}", layer.index, layer.layer)
}

/// A strip for each name, in columns.
fn strips(
    history: &History,
    look: &Look,
    title: &str,
    what: &str,
    strips: &[(String, Looks)],
) -> String {
    let subtitle = format!(
        "How the {what} are spread at each step that was looked into: the darker the more, each step on its own \
         scale. Lines: the mean, and one standard deviation to either side."
    );
    let subtitle = match look.theme {
        crate::Theme::Light => subtitle,
        crate::Theme::Dark => subtitle.replace("the darker the more", "the brighter the more"),
    };
    let figure = figure(history, look, title, &subtitle);
    if strips.is_empty() {
        return figure.empty(NOTHING);
    }
    let columns = look.columns(strips.len(), 360.0);
    let height = HEAD + if look.is_narrow() { 150.0 } else { 180.0 } + 2.0 * look.size() + 16.0;
    let (areas, body) = look.panels(strips.len(), columns, height);
    let (mut svg, top) = figure.open(body + KEY);
    let words = ["none".to_string(), "most".to_string()];
    let colours = look.colours();
    let caption = format!("{what} at a step");
    colour_key(&mut svg, look, [look.edge(), top], &words, &caption, &|x| colours.sequential(x));
    let last = strips.iter().flat_map(|(_, looks)| looks).map(|(step, _)| *step).max().unwrap_or(1);
    for ((name, looks), area) in strips.iter().zip(areas) {
        let area = crate::svg::Area { top: top + KEY + area.top, ..area };
        Strip { name, looks, last }.draw(&mut svg, look, area);
    }
    svg.finish()
}

/// A line for the weights of each layer.
fn chart(
    history: &History,
    look: &Look,
    title: &str,
    value: &dyn Fn(&LayerInside, usize) -> Option<f64>,
) -> Chart {
    let mut chart = axes(title, Unit::Plain, true);
    for (step, layers) in &history.insides {
        for layer in layers.iter().take(MOST).filter(|layer| !layer.parameters.is_empty()) {
            let name = name_of(layer);
            // The place of a number that is none is kept, as a gap.
            let point = [*step as f64, value(layer, 0).unwrap_or(f64::NAN)];
            match chart.series.iter_mut().find(|series| series.name == name) {
                Some(series) => series.points.push(point),
                None => {
                    let colour = look.colours().nth(chart.series.len());
                    chart.series.push(Series::new(&name, vec![point], colour, Stroke::Dots));
                }
            }
        }
    }
    chart
}

fn axes(y: &str, unit: Unit, is_log: bool) -> Chart {
    let (x, y) = (Axis::new("step", Unit::Whole, true), Axis::new(y, unit, is_log));
    Chart { x, y, series: Vec::new(), guides: Vec::new(), begins: Vec::new() }
}

fn figure<'a>(history: &History, look: &'a Look, what: &str, subtitle: &str) -> Figure<'a> {
    let title = format!("{what}: {}", history.name);
    let (count, last) = (history.insides.len(), history.insides.last().map_or(0, |look| look.0));
    let description = format!("{what} at {count} steps that were looked into, up to step {last}.");
    Figure { look, title, subtitle: subtitle.to_string(), description }
}

/// The x-axis of steps that were looked into: they are further and further apart, so it is logarithmic.
pub(crate) fn steps(last: u64, pixels: [f64; 2]) -> Scale {
    Scale::exact([1.0, last.max(2) as f64], true, pixels)
}
