//! The confusion matrix: what is taken for what.

use crate::figure::{Figure, KEY, colour_key};
use crate::raster::Raster;
use crate::scale::{Unit, brief, grouped};
use crate::svg::{Anchor, Area, Font, Svg};
use crate::theme::{Look, hex};
use glassbox::metrics::Confusion;

/// Up to so many classes have a cell with a number each; more are pixels.
const MOST_CELLS: usize = 40;

/// How often each class was taken for each. What is right is blue, what is wrong orange, on a scale of its own, so that
/// few mistakes are seen beside many answers that are right.
pub fn confusion(confusion: &Confusion, look: &Look) -> String {
    let (classes, total) = (confusion.classes(), confusion.total());
    let accuracy = brief(confusion.accuracy(), Unit::Percent);
    let wrong = total - confusion.correct();
    let unanswered = match confusion.unanswered() {
        0 => String::new(),
        n => format!(" {} got no answer.", grouped(n)),
    };
    let figure = Figure {
        look,
        title: "Confusion matrix".to_string(),
        subtitle: format!(
            "{accuracy} % of {} images are right, {} are wrong.{unanswered} A row is what the images are, a column \
             what the network says; percent are of the row.",
            grouped(total),
            grouped(wrong)
        ),
        description: description(confusion),
    };
    if total == 0 {
        return figure.empty("No image was judged.");
    }
    let grid = Grid::new(confusion, look);
    let (mut svg, top) = figure.open(grid.height() + KEY + 8.0);
    draw_keys(&mut svg, look, top, confusion);
    grid.draw(&mut svg, top + KEY + 8.0);
    if classes > MOST_CELLS {
        return svg.finish();
    }
    grid.draw_recall(&mut svg, top + KEY + 8.0);
    svg.finish()
}

/// The commonest mistakes in words.
fn description(confusion: &Confusion) -> String {
    let classes = confusion.classes();
    let pairs = (0..classes).flat_map(|label| (0..classes).map(move |said| (label, said)));
    let mut pairs: Vec<(u64, usize, usize)> = pairs
        .filter(|(label, said)| label != said)
        .map(|(label, said)| (confusion.count(label, said), label, said))
        .filter(|pair| pair.0 > 0)
        .collect();
    pairs.sort_by_key(|&(count, label, said)| (std::cmp::Reverse(count), label, said));
    let words =
        pairs.iter().take(3).map(|(n, label, said)| format!("{label} for {said} {n} times"));
    let words = words.collect::<Vec<_>>().join(", ");
    if words.is_empty() {
        "No mistake.".to_string()
    } else {
        format!("Mistaken most often: {words}.")
    }
}

fn draw_keys(svg: &mut Svg, look: &Look, top: f64, confusion: &Confusion) {
    let (colours, most) = (look.colours(), brief(most_wrong(confusion), Unit::Percent));
    let ends = |end: &str| ["0".to_string(), format!("{end} %")];
    colour_key(svg, look, [look.edge(), top], &ends("100"), "right", &|x| colours.sequential(x));
    let left = look.edge() + if look.is_narrow() { 184.0 } else { 240.0 };
    colour_key(svg, look, [left, top], &ends(&most), "wrong", &|x| colours.wrong(x));
}

fn row_total(confusion: &Confusion, label: usize) -> u64 {
    (0..confusion.classes()).map(|said| confusion.count(label, said)).sum()
}

fn share(confusion: &Confusion, label: usize, said: usize) -> f64 {
    confusion.count(label, said) as f64 / row_total(confusion, label).max(1) as f64
}

/// The largest share of a class that was taken for another.
fn most_wrong(confusion: &Confusion) -> f64 {
    let classes = confusion.classes();
    let pairs = (0..classes).flat_map(|label| (0..classes).map(move |said| (label, said)));
    let wrong = pairs.filter(|(label, said)| label != said);
    wrong.map(|(label, said)| share(confusion, label, said)).fold(0.0, f64::max)
}

/// Where the cells are.
struct Grid<'a> {
    confusion: &'a Confusion,
    look: &'a Look,
    /// The size of a cell.
    cell: [f64; 2],
    left: f64,
    most: f64,
}

impl<'a> Grid<'a> {
    fn new(confusion: &'a Confusion, look: &'a Look) -> Grid<'a> {
        let classes = confusion.classes() as f64;
        let (left, recall) = (look.edge() + 42.0, if look.is_narrow() { 34.0 } else { 64.0 });
        let width = ((look.width - left - look.edge() - recall) / classes).min(76.0);
        let height = if look.is_narrow() { width.max(18.0) } else { (0.72 * width).max(18.0) };
        let height = if confusion.classes() > MOST_CELLS { width } else { height };
        Grid { confusion, look, cell: [width, height], left, most: most_wrong(confusion) }
    }

    fn height(&self) -> f64 {
        self.confusion.classes() as f64 * self.cell[1] + 40.0
    }

    fn area(&self, top: f64, label: usize, said: usize) -> Area {
        let [width, height] = self.cell;
        let (left, top) = (self.left + said as f64 * width, top + 40.0 + label as f64 * height);
        Area { left, top, width, height }
    }

    fn colour(&self, label: usize, said: usize) -> [u8; 3] {
        let share = share(self.confusion, label, said);
        let colours = self.look.colours();
        if label == said {
            return colours.sequential(share);
        }
        colours.wrong(if self.most > 0.0 { share / self.most } else { 0.0 })
    }

    fn draw(&self, svg: &mut Svg, top: f64) {
        let (classes, look, colours) = (self.confusion.classes(), self.look, self.look.colours());
        let size = look.size();
        let all = self.area(top, 0, 0);
        let font = Font { anchor: Anchor::Middle, ..look.font(colours.ink) };
        let middle = all.left + 0.5 * classes as f64 * all.width;
        svg.text([middle, top + size], font, "the network says");
        svg.text([look.edge(), top + 33.0], look.font(colours.ink), "it is");
        if classes > MOST_CELLS {
            self.draw_pixels(svg, all);
        }
        let every = (24.0 / all.width).max(16.0 / all.height).ceil().max(1.0) as usize;
        for class in (0..classes).step_by(every) {
            let font = Font { is_bold: true, ..font };
            let cell = self.area(top, class, class);
            let name = class.to_string();
            svg.text([cell.left + 0.5 * cell.width, top + 33.0], font, &name);
            let font = Font { anchor: Anchor::End, ..font };
            let middle = cell.top + 0.5 * cell.height + 0.35 * size;
            svg.text([self.left - 8.0, middle], font, &name);
        }
        if classes <= MOST_CELLS {
            let cells = (0..classes).flat_map(|label| (0..classes).map(move |said| (label, said)));
            cells.for_each(|(label, said)| self.draw_cell(svg, top, label, said));
        }
    }

    fn draw_cell(&self, svg: &mut Svg, top: f64, label: usize, said: usize) {
        let (area, count) = (self.area(top, label, said), self.confusion.count(label, said));
        let colour = self.colour(label, said);
        let inner = Area { width: area.width - 1.5, height: area.height - 1.5, ..area };
        let percent = format!("{:.1}", 100.0 * share(self.confusion, label, said));
        let title = format!("{label} taken for {said}: {count}, {percent} % of the row");
        svg.titled_rect(inner, &hex(colour), &title);
        if count == 0 {
            return;
        }
        let fill = self.look.colours().on(colour);
        let size = (self.look.size() + 1.0).min(area.height - 6.0);
        let text = count.to_string();
        let fits = |text: &str, size: f64| crate::svg::width_of(text, size) <= area.width - 3.0;
        let size = if fits(&text, size) { size } else { size - 2.0 };
        let font = Font { size, fill, anchor: Anchor::Middle, is_bold: label == said };
        let (x, y) = (area.left + 0.5 * inner.width, area.top + 0.5 * inner.height);
        let percent = format!("{percent} %");
        let has_two = area.height >= 34.0 && fits(&percent, size - 2.0);
        if fits(&text, size) {
            svg.text([x, y + if has_two { -1.0 } else { 0.35 * size }], font, &text);
        }
        if has_two {
            let font = Font { size: size - 2.0, is_bold: false, ..font };
            svg.text([x, y + size], font, &percent);
        }
    }

    fn draw_pixels(&self, svg: &mut Svg, first: Area) {
        let classes = self.confusion.classes();
        let mut raster = Raster::new(classes, classes, [0; 3]);
        for label in 0..classes {
            (0..classes).for_each(|said| raster.set(said, label, self.colour(label, said)));
        }
        let (width, height) = (first.width * classes as f64, first.height * classes as f64);
        svg.image(Area { width, height, ..first }, &raster.uri());
    }

    /// Beside each row, how much of it is right.
    fn draw_recall(&self, svg: &mut Svg, top: f64) {
        let (look, colours, classes) = (self.look, self.look.colours(), self.confusion.classes());
        let right = self.left + classes as f64 * self.cell[0] + 6.0;
        let head = if look.is_narrow() { "%" } else { "% right" };
        svg.text([right, top + 33.0], look.font(colours.muted), head);
        for label in 0..classes {
            let cell = self.area(top, label, 0);
            let text = match row_total(self.confusion, label) {
                0 => "–".to_string(),
                _ => format!("{:.1}", 100.0 * share(self.confusion, label, label)),
            };
            let middle = cell.top + 0.5 * cell.height + 0.35 * look.size();
            svg.text([right, middle], look.font(colours.ink), &text);
        }
    }
}
