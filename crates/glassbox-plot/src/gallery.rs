//! Images: the mistakes that a network is surest of.

use crate::figure::Figure;
use crate::raster::Raster;
use crate::scale::{Unit, brief, grouped};
use crate::seen::{Mistake, Seen};
use crate::svg::{Anchor, Area, Font, Svg};
use crate::theme::Look;
use glassbox::data::Dataset;

/// The most images of a gallery.
const MOST: usize = 40;

/// The images that the network is wrong about, the surest first: what they are, what it says, and how sure it is.
pub fn errors(seen: &Seen, set: &Dataset, look: &Look) -> String {
    let wrong = seen.confusion.total() - seen.confusion.correct();
    let found = seen.mistakes.iter().filter(|mistake| mistake.row < set.len() && set.pixels() > 0);
    let found: Vec<&Mistake> = found.take(MOST).collect();
    let figure = Figure {
        look,
        title: "Surest mistakes".to_string(),
        subtitle: format!(
            "{} of {} test images of {} are taken for something else; these with the highest probability. Under \
             each: what it is → what the network says, and how sure it is.",
            grouped(wrong),
            grouped(seen.confusion.total()),
            seen.dataset
        ),
        description: found
            .iter()
            .take(5)
            .map(|mistake| words(mistake))
            .collect::<Vec<_>>()
            .join("; "),
    };
    if found.is_empty() {
        return figure.empty("There is no mistake.");
    }
    let least = if look.is_narrow() { 62.0 } else { 84.0 };
    let inner = look.width - 2.0 * look.edge();
    let columns = (inner / least) as usize;
    let gap = if look.is_narrow() { 10.0 } else { 16.0 };
    let side = (inner + gap) / columns as f64 - gap;
    let tall = side * set.rows as f64 / set.cols.max(1) as f64 + 2.0 * look.size() + 18.0;
    let rows = found.len().div_ceil(columns);
    let (mut svg, top) = figure.open(rows as f64 * tall);
    for (index, mistake) in found.into_iter().enumerate() {
        let left = look.edge() + (index % columns) as f64 * (side + gap);
        let top = top + (index / columns) as f64 * tall;
        draw_mistake(&mut svg, look, [left, top, side], set, mistake);
    }
    svg.finish()
}

fn words(mistake: &Mistake) -> String {
    let said = mistake.said.map_or("nothing".to_string(), |said| said.to_string());
    let sure = brief(mistake.probability, Unit::Percent);
    format!("image {}, a {}, taken for {said} with {sure} %", mistake.row, mistake.label)
}

fn draw_mistake(
    svg: &mut Svg,
    look: &Look,
    [left, top, side]: [f64; 3],
    set: &Dataset,
    mistake: &Mistake,
) {
    let (size, colours) = (look.size(), look.colours());
    let height = side * set.rows as f64 / set.cols.max(1) as f64;
    let area = Area { left, top, width: side, height };
    draw_image(svg, look, area, set.image(mistake.row), [set.rows, set.cols]);
    let middle = left + 0.5 * side;
    let said = mistake.said.map_or("none".to_string(), |said| said.to_string());
    let font = Font { is_bold: true, anchor: Anchor::Middle, size: size + 2.0, fill: colours.ink };
    let text = format!("{} → {said}", mistake.label);
    svg.text([middle, top + height + size + 6.0], font, &text);
    let font = Font { anchor: Anchor::Middle, ..look.font(colours.muted) };
    let sure = format!("{:.1} %", 100.0 * mistake.probability);
    svg.text([middle, top + height + 2.0 * size + 8.0], font, &sure);
}

/// A grey image: ink on paper, of the theme.
pub(crate) fn draw_image(svg: &mut Svg, look: &Look, area: Area, pixels: &[u8], shape: [usize; 2]) {
    let colours = look.colours();
    let (paper, ink) = (crate::theme::parse(colours.paper), crate::theme::parse(colours.ink));
    let [rows, cols] = shape;
    let mut raster = Raster::new(cols, rows, paper);
    for (index, &pixel) in pixels.iter().enumerate().take(rows * cols) {
        let share = f64::from(pixel) / 255.0;
        let mix = |at: usize| {
            (f64::from(paper[at]) + share * (f64::from(ink[at]) - f64::from(paper[at]))).round()
                as u8
        };
        raster.set(index % cols, index / cols, [mix(0), mix(1), mix(2)]);
    }
    svg.image(area, &raster.uri());
    svg.rect(area, &[("fill", "none".into()), ("stroke", colours.grid.into())]);
}
