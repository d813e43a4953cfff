//! Units: what they look for in an image, to which classes they answer, which are dead, and one image on its way.

use crate::figure::{Figure, KEY, colour_key};
use crate::gallery::draw_image;
use crate::raster::Raster;
use crate::scale::{Unit, brief, grouped};
use crate::seen::{LayerSeen, Seen, activations, probabilities};
use crate::svg::{Anchor, Area, Font, Svg, width_of};
use crate::theme::{Look, hex};
use glassbox::data::Dataset;
use glassbox::{Device, Network, Result, Tensor};

/// The most units that one picture shows.
const MOST: usize = 512;

/// The weights of each unit of the first layer, laid out as the image that they are multiplied with.
pub fn first_layer(network: &Network, shape: Option<[usize; 2]>, look: &Look) -> String {
    let inputs = network.input_width();
    let shape =
        shape.filter(|[rows, cols]| rows * cols == inputs).unwrap_or_else(|| square(inputs));
    let weights = network.layers()[0].parameters().iter().find(|p| p.name == "weight");
    let units = weights.map_or(0, |weights| weights.value.len() / inputs.max(1));
    let shown = units.min(MOST);
    let figure = Figure {
        look,
        title: "Weights of the first layer".to_string(),
        subtitle: format!(
            "{network}. An image for each of {}: where it is blue, ink speaks against the unit, where it is orange, \
             for it. Left: the number of a row's first unit.",
            if shown < units {
                format!("the first {shown} of {units} units")
            } else {
                format!("{units} units")
            }
        ),
        description: format!("{shown} images of {} by {} weights.", shape[0], shape[1]),
    };
    let Some(weights) = weights.filter(|_| shown > 0) else {
        return figure.empty("The first layer has no weights.");
    };
    let data = weights.value.values();
    let reach = reach(&data);
    let tiles = Tiles::new(look, shape, shown);
    let alarm = crate::theme::parse(look.colours().alarm);
    let (mut svg, top) = figure.open(tiles.height() + KEY + 4.0);
    let end = brief(reach, Unit::Plain);
    let words = [format!("−{end}"), "0".to_string(), end];
    let colours = look.colours();
    colour_key(&mut svg, look, [look.edge(), top], &words, "weight", &|x| {
        colours.diverging(2.0 * x - 1.0)
    });
    for unit in 0..shown {
        let mut raster = Raster::new(shape[1], shape[0], [0; 3]);
        for input in 0..inputs {
            // In memory weights are (in, out). Few colours make small images.
            let x = data[input * units + unit] / reach;
            let colour =
                if x.is_finite() { colours.diverging((31.0 * x).round() / 31.0) } else { alarm };
            raster.set(input % shape[1], input / shape[1], colour);
        }
        tiles.draw(&mut svg, top + KEY + 4.0, unit, &raster);
    }
    svg.finish()
}

/// The shape of an image of so many pixels whose shape nobody knows.
fn square(pixels: usize) -> [usize; 2] {
    let side = pixels.isqrt();
    if side * side == pixels { [side, side] } else { [1, pixels] }
}

/// The size that all but one in two hundred numbers stay below.
fn reach(numbers: &[f64]) -> f64 {
    let mut sizes: Vec<f64> = numbers.iter().map(|x| x.abs()).filter(|x| x.is_finite()).collect();
    sizes.sort_by(f64::total_cmp);
    let at = sizes.len().saturating_sub(1 + sizes.len() / 200);
    sizes.get(at).copied().filter(|x| *x > 0.0).unwrap_or(1.0)
}

/// Small images in rows.
struct Tiles<'a> {
    look: &'a Look,
    side: [f64; 2],
    columns: usize,
    count: usize,
}

impl<'a> Tiles<'a> {
    const LEFT: f64 = 30.0;
    const GAP: f64 = 5.0;

    fn new(look: &'a Look, [rows, cols]: [usize; 2], count: usize) -> Tiles<'a> {
        let inner = look.width - 2.0 * look.edge() - Tiles::LEFT;
        let wanted = if look.is_narrow() { 36.0 } else { 48.0 };
        // An image of one row is a band.
        let (wanted, ratio) = match rows {
            1 => (inner.min(320.0), 12.0 / inner.min(320.0)),
            _ => (wanted, (rows as f64 / cols.max(1) as f64).clamp(0.1, 10.0)),
        };
        let columns = (((inner + Tiles::GAP) / (wanted + Tiles::GAP)) as usize).max(1);
        let columns = if columns > 4 { columns / 4 * 4 } else { columns };
        let side = ((inner + Tiles::GAP) / columns as f64 - Tiles::GAP).min(2.0 * wanted);
        Tiles { look, side: [side, side * ratio], columns, count }
    }

    fn height(&self) -> f64 {
        self.count.div_ceil(self.columns) as f64 * (self.side[1] + Tiles::GAP)
    }

    fn draw(&self, svg: &mut Svg, top: f64, unit: usize, raster: &Raster) {
        let (row, column) = (unit / self.columns, unit % self.columns);
        let [width, height] = self.side;
        let left = self.look.edge() + Tiles::LEFT + column as f64 * (width + Tiles::GAP);
        let top = top + row as f64 * (height + Tiles::GAP);
        if column == 0 {
            let font = Font { anchor: Anchor::End, ..self.look.font(self.look.colours().muted) };
            let middle = top + 0.5 * height + 0.35 * self.look.size();
            svg.text([left - 8.0, middle], font, &unit.to_string());
        }
        svg.image(Area { left, top, width, height }, &raster.uri());
    }
}

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
        description: seen
            .layers
            .iter()
            .map(|layer| class_words(layer))
            .collect::<Vec<_>>()
            .join(" "),
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
        let size = |class: usize| mean(self.layer, class).abs();
        let most = (0..classes).map(size).filter(|x| x.is_finite()).fold(0.0, f64::max).max(1e-300);
        let every = (16.0 / self.row).ceil().max(1.0) as usize;
        for class in (0..classes).step_by(every) {
            let (at, mean) = (top + class as f64 * self.row, mean(self.layer, class));
            let width = if mean.is_finite() { (room - 48.0) * mean.abs() / most } else { 0.0 };
            let area = Area { left, top: at + 3.0, width, height: self.row * every as f64 - 6.0 };
            svg.rect(area, &[("fill", colours.nth(0).into()), ("class", "bar".into())]);
            let middle = at + 0.5 * self.row + 0.35 * look.size();
            svg.text(
                [left + width + 6.0, middle],
                look.font(colours.ink),
                &brief(mean, Unit::Plain),
            );
        }
    }
}

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
