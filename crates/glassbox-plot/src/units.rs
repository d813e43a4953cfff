//! Units one by one: which are dead, and what each says to one image.

use crate::figure::{Figure, KEY, colour_key};
use crate::gallery::draw_image;
use crate::scale::{Unit, brief, grouped};
use crate::seen::{Seen, activations, probabilities};
use crate::svg::{Anchor, Area, Font, Svg, width_of};
use crate::theme::{Look, hex};
use glassbox::data::Dataset;
use glassbox::{Device, Network, Result, Tensor};

/// To how many images each unit answers; units that say the same to all of them are dead.
pub fn dead(seen: &Seen, look: &Look) -> String {
    let counts = seen.layers.iter().map(|layer| {
        let dead = layer.is_dead.iter().filter(|dead| **dead).count();
        format!("{dead} of {} units of {} are dead", layer.is_dead.len(), layer.name)
    });
    let counts = counts.collect::<Vec<_>>().join(", ");
    let figure = Figure {
        look,
        title: "Active and dead units".to_string(),
        subtitle: format!(
            "{counts}: they say the same to each of {} test images of {}, and are crossed out. Colour: the share of \
             images for which a unit's output is not zero.",
            grouped(seen.count as u64),
            seen.dataset
        ),
        description: counts.clone(),
    };
    if seen.layers.is_empty() || seen.count == 0 {
        return figure.empty("No image was seen.");
    }
    let blocks: Vec<f64> = seen
        .layers
        .iter()
        .map(|layer| Units::new(look, layer.active.len()).height() + 40.0)
        .collect();
    let (mut svg, mut top) = figure.open(blocks.iter().sum::<f64>() + KEY - 14.0);
    let colours = look.colours();
    let words = ["0 %".to_string(), "100 %".to_string()];
    let caption = "of the images";
    colour_key(&mut svg, look, [look.edge(), top], &words, caption, &|x| colours.sequential(x));
    top += KEY + 10.0;
    for (layer, height) in seen.layers.iter().zip(blocks) {
        let font = Font { is_bold: true, ..look.font(colours.ink) };
        svg.text([look.edge(), top + look.size()], font, &layer.name);
        let units = Units::new(look, layer.active.len());
        units.draw(&mut svg, top + 22.0, &|unit| colours.sequential(layer.active[unit]));
        let dead = (0..units.count).filter(|unit| layer.is_dead[*unit]);
        dead.for_each(|unit| units.cross(&mut svg, top + 22.0, unit));
        top += height;
    }
    svg.finish()
}

/// Units as squares in rows, with the number of each row's first.
struct Units<'a> {
    look: &'a Look,
    count: usize,
    columns: usize,
    cell: f64,
}

impl<'a> Units<'a> {
    const LEFT: f64 = 34.0;

    fn new(look: &'a Look, count: usize) -> Units<'a> {
        let inner = look.width - 2.0 * look.edge() - Units::LEFT;
        let columns = match inner {
            x if x < 500.0 => 16,
            x if x < 1500.0 => 32,
            _ => 64,
        };
        Units { look, count: count.min(1024), columns, cell: (inner / columns as f64).min(34.0) }
    }

    fn height(&self) -> f64 {
        self.count.div_ceil(self.columns) as f64 * self.cell
    }

    fn area(&self, top: f64, unit: usize) -> Area {
        let (row, column) = ((unit / self.columns) as f64, (unit % self.columns) as f64);
        let left = self.look.edge() + Units::LEFT + column * self.cell;
        Area { left, top: top + row * self.cell, width: self.cell - 2.0, height: self.cell - 2.0 }
    }

    fn draw(&self, svg: &mut Svg, top: f64, colour: &dyn Fn(usize) -> [u8; 3]) {
        for unit in 0..self.count {
            let area = self.area(top, unit);
            if unit % self.columns == 0 {
                let font =
                    Font { anchor: Anchor::End, ..self.look.font(self.look.colours().muted) };
                let middle = area.top + 0.5 * area.height + 0.35 * self.look.size();
                svg.text([area.left - 8.0, middle], font, &unit.to_string());
            }
            let fill = hex(colour(unit));
            svg.rect(
                area,
                &[("fill", (&fill).into()), ("stroke", self.look.colours().grid.into())],
            );
        }
    }

    fn cross(&self, svg: &mut Svg, top: f64, unit: usize) {
        let (area, alarm) = (self.area(top, unit), self.look.colours().alarm);
        let (inset, more) =
            (0.22 * area.width, [("stroke-width", "2".into()), ("class", "dead".into())]);
        let [left, right] = [area.left + inset, area.right() - inset];
        let [top, bottom] = [area.top + inset, area.bottom() - inset];
        svg.line([left, top], [right, bottom], alarm, &more);
        svg.line([left, bottom], [right, top], alarm, &more[..1]);
    }
}

/// One image on its way: its pixels, what each unit says, and what comes out.
pub fn image(
    network: &mut Network,
    device: &Device,
    set: &Dataset,
    row: usize,
    look: &Look,
) -> Result<String> {
    let mut x = Tensor::zeros(&[1, set.pixels()]);
    device.gather(&mut x, set.image(row), &[0])?;
    let shares = probabilities(network.forward(device, &x)?.data());
    let (layers, names) = (activations(network), network.summary().layers);
    let label = usize::from(set.labels[row]);
    let best = (0..shares.len()).max_by(|a, b| shares[*a].total_cmp(&shares[*b])).unwrap_or(0);
    let sure = brief(shares[best], Unit::Percent);
    let figure = Figure {
        look,
        title: format!("Test image {row}: a {label}, taken for {best}"),
        subtitle: format!(
            "{network}. What each unit says to this image, and how sure the network is of each class."
        ),
        description: format!("The network says {best} with {sure} %."),
    };
    let side = if look.is_narrow() { 112.0 } else { 168.0 };
    let bars = (shares.len().min(40) as f64 * 17.0 + 22.0).max(side + 22.0);
    let heights = layers.iter().map(|&at| {
        let count = network.activations()[at].len();
        Units::new(look, count).height() + KEY + 4.0 + 22.0
    });
    let (mut svg, top) = figure.open(bars + heights.sum::<f64>() + 4.0);
    let area = Area {
        left: look.edge(),
        top: top + 18.0,
        width: side,
        height: side * set.rows as f64 / set.cols.max(1) as f64,
    };
    draw_image(&mut svg, look, area, set.image(row), [set.rows, set.cols]);
    draw_shares(&mut svg, look, [area.right() + 28.0, top], &shares, label);
    let mut top = top + bars + 26.0;
    for at in layers {
        let outputs = network.activations()[at].values();
        let name = format!("{} {}", names[at].index, names[at].layer);
        top += draw_outputs(&mut svg, look, top, &name, &outputs) + 22.0;
    }
    Ok(svg.finish())
}

fn draw_shares(svg: &mut Svg, look: &Look, [left, top]: [f64; 2], shares: &[f64], label: usize) {
    let (size, colours) = (look.size(), look.colours());
    svg.text([left, top + size], look.font(colours.ink), "probability of each class, %");
    let room = (look.width - look.edge() - left - 22.0 - 44.0).min(420.0);
    for (class, &share) in shares.iter().enumerate().take(40) {
        let at = top + 22.0 + 17.0 * class as f64;
        let is_label = class == label;
        let font = Font { is_bold: is_label, anchor: Anchor::End, ..look.font(colours.ink) };
        svg.text([left + 14.0, at + 0.85 * size], font, &class.to_string());
        let width = if share.is_finite() { (room * share).max(0.5) } else { 0.0 };
        let fill = if is_label { colours.nth(0) } else { colours.nth(1) };
        let area = Area { left: left + 22.0, top: at, width, height: 12.0 };
        svg.rect(area, &[("fill", fill.into()), ("class", "bar".into())]);
        let text = if share < 5e-4 { "0".to_string() } else { format!("{:.1}", 100.0 * share) };
        svg.text([left + 28.0 + width, at + 0.85 * size], look.font(colours.muted), &text);
    }
}

/// The outputs of a layer as squares; how high that is.
fn draw_outputs(svg: &mut Svg, look: &Look, top: f64, name: &str, outputs: &[f64]) -> f64 {
    let (colours, units) = (look.colours(), Units::new(look, outputs.len()));
    let font = Font { is_bold: true, ..look.font(colours.ink) };
    svg.text([look.edge(), top + look.size()], font, name);
    let most =
        outputs.iter().copied().filter(|x| x.is_finite()).fold(0.0f64, |most, x| most.max(x.abs()));
    let most = if most > 0.0 { most } else { 1.0 };
    let is_signed = outputs.iter().any(|x| *x < 0.0);
    let colour = |x: f64| if is_signed { colours.diverging(x) } else { colours.sequential(x) };
    let end = brief(most, Unit::Plain);
    let begin = if is_signed { format!("−{end}") } else { "0".to_string() };
    let left = look.edge() + (width_of(name, look.size()) + 24.0).max(96.0);
    let words = [begin, end];
    let key = |x: f64| colour(if is_signed { 2.0 * x - 1.0 } else { x });
    colour_key(svg, look, [left, top + 3.0], &words, "output", &key);
    units.draw(svg, top + KEY + 4.0, &|unit| colour(outputs[unit] / most));
    units.height() + KEY + 4.0
}
