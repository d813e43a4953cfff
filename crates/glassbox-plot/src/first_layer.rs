//! The weights of the first layer, as images.

use crate::figure::{Figure, KEY, colour_key};
use crate::raster::Raster;
use crate::scale::{Unit, brief};
use crate::svg::{Anchor, Area, Font, Svg};
use crate::theme::Look;
use glassbox::Network;

/// The most units that one picture shows.
pub(crate) const MOST: usize = 512;

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
pub(crate) fn reach(numbers: &[f64]) -> f64 {
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
