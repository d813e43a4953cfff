//! A strip: histograms over the steps, as columns of colour.

use crate::inside::steps;
use crate::raster::Raster;
use crate::scale::{Scale, Unit};
use crate::svg::{Anchor, Area, Font, Svg, fitted, path, width_of};
use crate::theme::Look;
use glassbox::Spread;

/// How high the name above a strip is.
pub(crate) const HEAD: f64 = 26.0;

/// Rows of pixels of a strip: as many colours can be told apart.
const ROWS: usize = 96;

/// Histograms of one tensor.
pub(crate) struct Strip<'a> {
    pub name: &'a str,
    pub looks: &'a [(u64, Spread)],
    /// The last step on the axis, the same for all strips of a picture.
    pub last: u64,
}

impl Strip<'_> {
    pub fn draw(&self, svg: &mut Svg, look: &Look, area: Area) {
        let (size, colours) = (look.size(), look.colours());
        let font = Font { is_bold: true, ..look.font(colours.ink) };
        svg.text([area.left, area.top + size], font, &fitted(self.name, size, area.width - 70.0));
        let (top, bottom) = (area.top + HEAD, area.bottom() - 2.0 * size - 16.0);
        let y = Scale::over(self.ends().into_iter(), false, Unit::Plain, [bottom, top], 4);
        let ticks = y.ticks(Unit::Plain, 4);
        let labels = y.labels(&ticks, Unit::Plain);
        let widest = labels.iter().map(|label| width_of(label, size)).fold(0.0, f64::max);
        let left = area.left + widest + 10.0;
        let plot = Area { left, top, width: area.right() - left - 4.0, height: bottom - top };
        let x = steps(self.last, [plot.left, plot.right()]);
        svg.image(plot, &self.raster(look, plot, &x, &y).uri());
        for (&tick, label) in ticks.iter().zip(&labels) {
            let Some(at) = y.at(tick) else { continue };
            svg.line([left - 4.0, at], [left, at], colours.axis, &[]);
            let font = Font { anchor: Anchor::End, ..look.font(colours.muted) };
            let class = [("class", "tick-y".into())];
            svg.text_with([left - 7.0, at + 0.35 * size], font, label, &class);
        }
        self.draw_lines(svg, look, &x, &y);
        self.draw_not_finite(svg, look, plot, &x);
        draw_steps(svg, look, plot, &x);
    }

    /// The finite spreads.
    fn sound(&self) -> impl Iterator<Item = &(u64, Spread)> {
        let is_sound = |spread: &Spread| {
            let [low, high] = spread.range;
            low.is_finite() && high.is_finite() && spread.mean.is_finite() && low <= high
        };
        self.looks.iter().filter(move |(_, spread)| is_sound(spread))
    }

    /// The ends of the axis: four standard deviations around the means, as far as there are numbers.
    fn ends(&self) -> [f64; 2] {
        let ends = self.sound().map(|(_, spread)| {
            let [low, high] = spread.range.map(f64::from);
            let (mean, wide) = (f64::from(spread.mean), 4.0 * f64::from(spread.deviation));
            let wide = if wide.is_finite() { wide } else { 0.0 };
            [low.max(mean - wide), high.min(mean + wide)]
        });
        let ends = ends.fold([f64::INFINITY, f64::NEG_INFINITY], |ends, [low, high]| {
            [ends[0].min(low), ends[1].max(high)]
        });
        if ends[0] <= ends[1] { ends } else { [0.0, 1.0] }
    }

    /// A column of pixels for each pixel of the axis: the histogram of the last look until then.
    fn raster(&self, look: &Look, plot: Area, x: &Scale, y: &Scale) -> Raster {
        let colours = look.colours();
        let columns = (plot.width.ceil() as usize).clamp(1, 600);
        let mut raster = Raster::new(columns, ROWS, colours.sequential(0.0));
        let at =
            |step: u64| (x.at(step.max(1) as f64).unwrap_or(plot.left) - plot.left) / plot.width;
        let begins: Vec<usize> = self
            .looks
            .iter()
            .map(|(step, _)| ((at(*step) * columns as f64) as usize).min(columns - 1))
            .collect();
        for (index, (_, spread)) in self.looks.iter().enumerate() {
            let end = begins.get(index + 1).copied().unwrap_or(columns).max(begins[index] + 1);
            let column = shares(spread, y);
            for row in 0..ROWS {
                let colour = colours.sequential(column[row]);
                (begins[index]..end.min(columns))
                    .for_each(|column| raster.set(column, row, colour));
            }
        }
        raster
    }

    /// The mean, and the mean ± the standard deviation.
    fn draw_lines(&self, svg: &mut Svg, look: &Look, x: &Scale, y: &Scale) {
        let [bottom, top] = y.pixels();
        for (times, dashes, width) in [(0.0, "none", 1.5), (1.0, "3 3", 1.0), (-1.0, "3 3", 1.0)] {
            let on = |(step, spread): &(u64, Spread)| {
                let value = f64::from(spread.mean) + times * f64::from(spread.deviation);
                Some([x.at((*step).max(1) as f64)?, y.at(value)?.clamp(top, bottom)])
            };
            let mut points: Vec<[f64; 2]> = self.sound().filter_map(on).collect();
            // A look stands until the next, as its colours do.
            points = points
                .iter()
                .zip(points.iter().skip(1).chain([&[x.pixels()[1], 0.0]]))
                .flat_map(|(at, next)| [*at, [next[0], at[1]]])
                .collect();
            let data = path(&points);
            let more = [
                ("class", "line".into()),
                ("d", (&data).into()),
                ("fill", "none".into()),
                ("stroke", look.colours().series[1].into()),
                ("stroke-width", width.into()),
                ("stroke-dasharray", dashes.into()),
            ];
            svg.element("path", &more);
        }
    }

    /// Marks the steps at which some number was none.
    fn draw_not_finite(&self, svg: &mut Svg, look: &Look, plot: Area, x: &Scale) {
        let (colours, mut is_named) = (look.colours(), false);
        let bad = self.looks.iter().filter(|(_, spread)| spread.not_finite > 0);
        for at in bad.filter_map(|(step, _)| x.at((*step).max(1) as f64)) {
            let area = Area { left: at - 1.0, width: 2.0, ..plot };
            svg.rect(area, &[("fill", colours.alarm.into()), ("class", "gap".into())]);
            if !is_named {
                let font = Font { anchor: Anchor::End, ..look.font(colours.alarm) };
                svg.text([plot.right(), plot.top - 6.0], font, "NaN or ∞");
                is_named = true;
            }
        }
    }
}

/// How dense a histogram is in each row of pixels, from 0 to 1, the most dense being 1.
fn shares(spread: &Spread, y: &Scale) -> Vec<f64> {
    let ([low, high], [bottom, top]) = (spread.range.map(f64::from), y.pixels());
    let mut rows = vec![0.0f64; ROWS];
    let row = |value: f64| y.at(value).map(|at| (at - top) / (bottom - top) * ROWS as f64);
    let bins = spread.bins.len().clamp(1, 4096);
    let width = (high - low) / bins as f64;
    for (index, &count) in spread.bins.iter().take(bins).enumerate() {
        let begin = low + index as f64 * width;
        let (Some(end), Some(begin)) = (row(begin), row(begin + width)) else { continue };
        // What is narrower than a row is still seen.
        let tall = (end - begin).max(1.0);
        let first = begin.floor().clamp(0.0, ROWS as f64) as usize;
        let last = (begin + tall).ceil().clamp(0.0, ROWS as f64) as usize;
        for (place, share) in rows.iter_mut().enumerate().take(last).skip(first) {
            let covered = (begin + tall).min(place as f64 + 1.0) - begin.max(place as f64);
            *share += f64::from(count) * covered.max(0.0) / tall;
        }
    }
    let most = rows.iter().copied().fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    // Few are to be seen beside many, so shares are raised.
    rows.iter().map(|share| (share / most).powf(0.45)).collect()
}

fn draw_steps(svg: &mut Svg, look: &Look, plot: Area, x: &Scale) {
    let (size, colours, bottom) = (look.size(), look.colours(), plot.bottom());
    svg.line([plot.left, bottom], [plot.right(), bottom], colours.axis, &[]);
    let ticks = x.ticks(Unit::Whole, (plot.width / 48.0) as usize);
    for (&tick, label) in ticks.iter().zip(x.labels(&ticks, Unit::Whole)) {
        let Some(at) = x.at(tick) else { continue };
        svg.line([at, bottom], [at, bottom + 4.0], colours.axis, &[]);
        let font = Font { anchor: Anchor::Middle, ..look.font(colours.muted) };
        svg.text_with([at, bottom + size + 6.0], font, &label, &[("class", "tick-x".into())]);
    }
    let font = Font { anchor: Anchor::Middle, ..look.font(colours.ink) };
    svg.text([plot.left + plot.width / 2.0, bottom + 2.0 * size + 13.0], font, "step");
}
