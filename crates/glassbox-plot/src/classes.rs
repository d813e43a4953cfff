//! Units × classes: which unit answers to which class.

use crate::figure::{Figure, KEY, colour_key};
use crate::first_layer::{MOST, reach};
use crate::raster::Raster;
use crate::scale::{Unit, brief, grouped};
use crate::seen::{LayerSeen, Seen};
use crate::svg::{Anchor, Area, Font, Svg};
use crate::theme::Look;

/// How strongly each unit answers to each class, on average, and all of them together.
pub fn classes(seen: &Seen, look: &Look) -> String {
    let figure = Figure {
        look,
        title: "Which units answer to which class".to_string(),
        subtitle: format!(
            "{}: the mean output of each unit over the {} test images of {}, by class. Units are sorted by the class \
             that they answer to most.",
            seen.network,
            grouped(seen.count as u64),
            seen.dataset
        ),
        description: seen.layers.iter().map(class_words).collect::<Vec<_>>().join(" "),
    };
    if seen.layers.is_empty() || seen.count == 0 {
        return figure.empty("No image was seen.");
    }
    let maps: Vec<Map> = seen.layers.iter().map(|layer| Map::new(layer, look)).collect();
    let height: f64 = maps.iter().map(|map| map.height() + 24.0).sum();
    let (mut svg, mut top) = figure.open(height - 24.0);
    for map in maps {
        map.draw(&mut svg, top);
        top += map.height() + 24.0;
    }
    svg.finish()
}

fn class_words(layer: &LayerSeen) -> String {
    let means = (0..layer.means.len())
        .map(|class| format!("{class}: {}", brief(mean(layer, class), Unit::Plain)));
    format!("Layer {}, mean output by class: {}.", layer.name, means.collect::<Vec<_>>().join(", "))
}

/// The mean output of all units for a class.
fn mean(layer: &LayerSeen, class: usize) -> f64 {
    let row = &layer.means[class];
    row.iter().sum::<f64>() / row.len().max(1) as f64
}

/// Units × classes, in blocks that are as wide as the picture.
struct Map<'a> {
    layer: &'a LayerSeen,
    look: &'a Look,
    /// The units, in the order in which they are shown.
    order: Vec<usize>,
    /// Units of a block.
    across: usize,
    row: f64,
}

impl<'a> Map<'a> {
    const LEFT: f64 = 34.0;

    fn new(layer: &'a LayerSeen, look: &'a Look) -> Map<'a> {
        let classes = layer.means.len();
        let best = |unit: usize| {
            let of = |class: &usize| layer.means[*class][unit];
            (0..classes).max_by(|a, b| of(a).total_cmp(&of(b)).then(b.cmp(a))).unwrap_or(0)
        };
        let mut order: Vec<usize> = (0..layer.active.len().min(MOST)).collect();
        order.sort_by(|&a, &b| {
            let (best, other) = (best(a), best(b));
            let strength = layer.means[other][b].total_cmp(&layer.means[best][a]);
            best.cmp(&other).then(strength).then(a.cmp(&b))
        });
        let width = look.width - 2.0 * look.edge() - Map::LEFT - Map::bars(look);
        let most = (width / 5.0).max(1.0) as usize;
        let blocks = order.len().div_ceil(most).max(1);
        let row = if classes > 40 { 6.0 } else { 18.0 };
        Map { layer, look, across: order.len().div_ceil(blocks).max(1), order, row }
    }

    /// The room for the bars at the right; on a phone they stand below.
    fn bars(look: &Look) -> f64 {
        if look.is_narrow() { 0.0 } else { 170.0 }
    }

    fn block(&self) -> f64 {
        self.layer.means.len() as f64 * self.row + 10.0
    }

    fn blocks(&self) -> f64 {
        self.order.len().div_ceil(self.across) as f64 * self.block()
    }

    fn height(&self) -> f64 {
        let bars = if self.look.is_narrow() { self.block() + 20.0 } else { 0.0 };
        24.0 + KEY + 20.0 + self.blocks() + bars
    }

    fn draw(&self, svg: &mut Svg, top: f64) {
        let (look, colours) = (self.look, self.look.colours());
        let font = Font { is_bold: true, ..look.font(colours.ink) };
        let units = self.order.len();
        svg.text(
            [look.edge(), top + look.size()],
            font,
            &format!("{}, {units} units", self.layer.name),
        );
        let all: Vec<f64> = self.layer.means.iter().flatten().copied().collect();
        let reach = reach(&all);
        let is_signed = all.iter().any(|x| *x < -1e-3 * reach);
        let colour = move |x: f64| match is_signed {
            true => colours.diverging(x / reach),
            false => colours.sequential(x / reach),
        };
        let end = brief(reach, Unit::Plain);
        let begin = if is_signed { format!("−{end}") } else { "0".to_string() };
        let words = [begin, end];
        let key = |x: f64| {
            if is_signed { colours.diverging(2.0 * x - 1.0) } else { colours.sequential(x) }
        };
        colour_key(svg, look, [look.edge(), top + 24.0], &words, "mean output", &key);
        let top = top + 24.0 + KEY + 20.0;
        svg.text([look.edge(), top - 8.0], look.font(colours.ink), "class");
        svg.text([look.edge() + Map::LEFT + 8.0, top - 8.0], look.font(colours.ink), "units →");
        for (index, units) in self.order.chunks(self.across).enumerate() {
            self.draw_block(svg, top + index as f64 * self.block(), units, &colour);
        }
        self.draw_bars(svg, top);
    }

    fn draw_block(
        &self,
        svg: &mut Svg,
        top: f64,
        units: &[usize],
        colour: &dyn Fn(f64) -> [u8; 3],
    ) {
        let (look, classes) = (self.look, self.layer.means.len());
        let width = look.width - 2.0 * look.edge() - Map::LEFT - Map::bars(look);
        let mut raster = Raster::new(units.len(), classes, [0; 3]);
        for class in 0..classes {
            for (column, &unit) in units.iter().enumerate() {
                raster.set(column, class, colour(self.layer.means[class][unit]));
            }
        }
        let width = width * units.len() as f64 / self.across as f64;
        let height = classes as f64 * self.row;
        let area = Area { left: look.edge() + Map::LEFT, top, width, height };
        svg.image(area, &raster.uri());
        svg.rect(area, &[("fill", "none".into()), ("stroke", look.colours().grid.into())]);
        self.draw_classes(svg, top);
    }

    fn draw_classes(&self, svg: &mut Svg, top: f64) {
        let (look, classes) = (self.look, self.layer.means.len());
        let every = (16.0 / self.row).ceil().max(1.0) as usize;
        for class in (0..classes).step_by(every) {
            let font = Font { anchor: Anchor::End, ..look.font(look.colours().muted) };
            let middle = top + (class as f64 + 0.5) * self.row + 0.35 * look.size();
            svg.text([look.edge() + Map::LEFT - 8.0, middle], font, &class.to_string());
        }
    }

    /// The mean of all units for each class.
    fn draw_bars(&self, svg: &mut Svg, top: f64) {
        let (look, colours, classes) = (self.look, self.look.colours(), self.layer.means.len());
        let (left, top, room) = match look.is_narrow() {
            true => (
                look.edge() + Map::LEFT,
                top + self.blocks() + 20.0,
                look.width - 2.0 * look.edge() - Map::LEFT,
            ),
            false => {
                (look.width - look.edge() - Map::bars(look) + 24.0, top, Map::bars(look) - 24.0)
            }
        };
        svg.text([left, top - 8.0], look.font(colours.ink), "mean of all units");
        if look.is_narrow() {
            self.draw_classes(svg, top);
        }
        let has_signs = (0..classes).any(|class| mean(self.layer, class) < 0.0);
        let size = |class: usize| mean(self.layer, class).abs();
        let most = (0..classes).map(size).filter(|x| x.is_finite()).fold(0.0, f64::max).max(1e-300);
        let every = (16.0 / self.row).ceil().max(1.0) as usize;
        for class in (0..classes).step_by(every) {
            let (at, mean) = (top + class as f64 * self.row, mean(self.layer, class));
            let width = if mean.is_finite() { (room - 48.0) * mean.abs() / most } else { 0.0 };
            let area = Area { left, top: at + 3.0, width, height: self.row * every as f64 - 6.0 };
            // Where means have two signs, they have the colours of the map's two.
            let fill = if mean < 0.0 || !has_signs { colours.nth(0) } else { colours.nth(1) };
            svg.rect(area, &[("fill", fill.into()), ("class", "bar".into())]);
            let middle = at + 0.5 * self.row + 0.35 * look.size();
            svg.text(
                [left + width + 6.0, middle],
                look.font(colours.ink),
                &brief(mean, Unit::Plain),
            );
        }
    }
}
