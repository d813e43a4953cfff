//! Charts: axes with titles and ticks, lines with their names beside them, gaps where there is no number.

use crate::figure::Figure;
use crate::scale::{Scale, Unit};
use crate::series::{Series, Stroke, stretches, thinned};
use crate::svg::{Anchor, Area, Font, Svg, fitted, path, width_of};
use crate::theme::{Colours, Look};

/// An axis: what it measures, in what unit.
pub(crate) struct Axis {
    pub title: String,
    pub unit: Unit,
    pub is_log: bool,
    /// Numbers that have to be on it whatever the data are.
    pub with: Vec<f64>,
}

/// A line across the chart, with what it says.
pub(crate) struct Guide {
    pub at: f64,
    pub text: String,
}

/// Lines over two axes.
pub(crate) struct Chart {
    pub x: Axis,
    pub y: Axis,
    pub series: Vec<Series>,
    pub guides: Vec<Guide>,
    /// Places on the x-axis where something begins, as epochs do, and its name.
    pub begins: Vec<(f64, String)>,
    /// Whether names stand beside their series even where a list would leave more room.
    pub is_direct: bool,
}

impl Axis {
    pub fn new(title: &str, unit: Unit, is_log: bool) -> Axis {
        Axis { title: title.to_string(), unit, is_log, with: Vec::new() }
    }
}

/// Lines that can have their names at their ends; more have them in a list above.
const MOST_NAMED: usize = 8;

/// The picture of these charts.
pub(crate) fn draw(figure: &Figure, charts: &[Chart]) -> String {
    let look = figure.look;
    let columns = look.columns(charts.len(), 360.0);
    let is_listed = charts.iter().any(|chart| chart.label_room(look, columns).is_none());
    // All charts of a picture show the same things, so one list is enough.
    let longest = charts.iter().max_by_key(|chart| chart.named().count());
    let list = longest.filter(|_| is_listed).map_or(Vec::new(), |chart| chart.list(look));
    let height = (look.width / columns as f64 * 0.56).clamp(220.0, 340.0);
    let (areas, body) = look.panels(charts.len(), columns, height);
    let (mut svg, mut top) = figure.open(body + 20.0 * list.len() as f64);
    for line in &list {
        draw_list(&mut svg, look, top, line);
        top += 20.0;
    }
    for (chart, area) in charts.iter().zip(areas) {
        let room = chart.label_room(look, columns).filter(|_| !is_listed);
        chart.draw(&mut svg, look, Area { top: top + area.top, ..area }, room);
    }
    svg.finish()
}

impl Chart {
    /// The series that have names.
    fn named(&self) -> impl Iterator<Item = &Series> {
        self.series.iter().filter(|series| series.is_named())
    }

    /// The room for names at the right, unless they would take too much.
    fn label_room(&self, look: &Look, columns: usize) -> Option<f64> {
        let names = self.named().map(|series| &series.name);
        let names = names.chain(self.guides.iter().map(|guide| &guide.text));
        let widths = names.map(|name| width_of(name, look.size()));
        let width = widths.fold(0.0, f64::max) + 10.0;
        let is_fit = width <= 0.3 * look.width / columns as f64;
        (self.is_direct || is_fit && self.named().count() <= MOST_NAMED).then_some(width)
    }

    /// The names in lines, each as wide as the picture.
    fn list(&self, look: &Look) -> Vec<Vec<&Series>> {
        let width = look.width - 2.0 * look.edge();
        let (mut lines, mut right): (Vec<Vec<&Series>>, f64) = (Vec::new(), width + 1.0);
        for series in self.named() {
            let needs = 34.0 + width_of(&series.name, look.size()).min(width - 34.0);
            if right + needs > width {
                lines.push(Vec::new());
                right = 0.0;
            }
            right += needs;
            lines.last_mut().expect("one was pushed").push(series);
        }
        lines
    }

    /// Draws it, with so much room for names at its right; none where they are in a list.
    fn draw(&self, svg: &mut Svg, look: &Look, area: Area, room: Option<f64>) {
        let (size, colours) = (look.size(), look.colours());
        let title = fitted(&self.y.title, size, area.width);
        svg.text([area.left, area.top + size], look.font(colours.ink), &title);
        let begins = if self.begins.is_empty() { 12.0 } else { 24.0 };
        let head = size + begins;
        let (top, bottom) = (area.top + head, area.bottom() - 2.0 * size - 14.0);
        let y_ticks = (((bottom - top) / 42.0) as usize).max(3);
        let y = self.scale(&self.y, &self.ys(), [bottom, top], y_ticks);
        let ticks = y.ticks(self.y.unit, y_ticks + 1);
        let labels = y.labels(&ticks, self.y.unit);
        let widest = labels.iter().map(|label| width_of(label, size)).fold(0.0, f64::max);
        let (left, right) = (area.left + widest + 8.0, area.right() - room.unwrap_or(8.0));
        for (&tick, label) in ticks.iter().zip(&labels) {
            let Some(at) = y.at(tick) else { continue };
            svg.line([left, at], [right, at], colours.grid, &[("class", "grid".into())]);
            let font = Font { anchor: Anchor::End, ..look.font(colours.muted) };
            let class = [("class", "tick-y".into())];
            svg.text_with([left - 8.0, at + 0.35 * size], font, label, &class);
        }
        let plot = Area { left, top, width: right - left, height: bottom - top };
        let x = self.draw_x(svg, look, plot);
        self.draw_begins(svg, look, plot, &x);
        self.draw_guides(svg, look, plot, &y, room.is_none());
        let all: Vec<f64> =
            self.series.iter().flat_map(|s| s.points.iter().map(|p| p[0])).collect();
        draw_gaps(svg, look, plot, &self.gaps(), &x, &all);
        self.series.iter().for_each(|series| draw_series(svg, series, &x, &y));
        if room.is_some() {
            self.draw_names(svg, look, plot, &x, &y);
        }
    }

    fn scale(&self, axis: &Axis, numbers: &[f64], pixels: [f64; 2], ticks: usize) -> Scale {
        let all = numbers.iter().chain(&axis.with).copied();
        Scale::over(all, axis.is_log, axis.unit, pixels, ticks)
    }

    fn ys(&self) -> Vec<f64> {
        let of = |series: &Series| {
            let points = series.points.iter().map(|point| point[1]);
            points.chain(series.band.iter().flat_map(|band| [band[1], band[2]])).collect::<Vec<_>>()
        };
        self.series.iter().flat_map(of).collect()
    }

    /// The x-axis: it ends where the data end, not at the next tick.
    fn draw_x(&self, svg: &mut Svg, look: &Look, plot: Area) -> Scale {
        let (size, colours) = (look.size(), look.colours());
        let all = self.series.iter().flat_map(|series| series.points.iter().map(|point| point[0]));
        let all = all.chain(self.x.with.iter().copied());
        let all = all.filter(|x| x.is_finite() && (!self.x.is_log || *x > 0.0));
        let ends = all
            .fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], x| [low.min(x), high.max(x)]);
        let ends = match ends {
            [low, high] if low < high => ends,
            [low, _] if low.is_finite() => {
                [low - 0.5 * low.abs().max(1.0), low + low.abs().max(1.0)]
            }
            _ => [0.0, 1.0],
        };
        let ends = if self.x.is_log { ends.map(|x| x.max(0.5)) } else { ends };
        let x = Scale::exact(ends, self.x.is_log, [plot.left, plot.right()]);
        let bottom = plot.bottom();
        svg.line([plot.left, bottom], [plot.right(), bottom], colours.axis, &[]);
        let mut free = f64::NEG_INFINITY;
        let ticks = x.ticks(self.x.unit, ((plot.width / 52.0) as usize).max(2));
        for (&tick, label) in ticks.iter().zip(x.labels(&ticks, self.x.unit)) {
            let Some(at) = x.at(tick) else { continue };
            let half = 0.5 * width_of(&label, size);
            if at - half < free {
                continue;
            }
            free = at + half + 6.0;
            svg.line([at, bottom], [at, bottom + 4.0], colours.axis, &[]);
            let font = Font { anchor: Anchor::Middle, ..look.font(colours.muted) };
            svg.text_with([at, bottom + size + 6.0], font, &label, &[("class", "tick-x".into())]);
        }
        let font = Font { anchor: Anchor::Middle, ..look.font(colours.ink) };
        let middle = plot.left + plot.width / 2.0;
        svg.text([middle, bottom + 2.0 * size + 12.0], font, &self.x.title);
        x
    }

    /// Faint lines where epochs begin, with as many names as there is room for.
    fn draw_begins(&self, svg: &mut Svg, look: &Look, plot: Area, x: &Scale) {
        let colours = look.colours();
        let size = look.size() - 1.0;
        if self.begins.len() as f64 > plot.width / 8.0 {
            return;
        }
        let widest = self.begins.iter().map(|begin| width_of(&begin.1, size)).fold(0.0, f64::max);
        let places: Vec<f64> = self.begins.iter().filter_map(|(at, _)| x.at(*at)).collect();
        let apart = places.windows(2).map(|pair| pair[1] - pair[0]).fold(plot.width, f64::min);
        let every = ((widest + 8.0) / apart.max(0.1)).ceil().max(1.0) as usize;
        // Where places are not even, a name stands wherever there is room for it.
        let farthest = places.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
        let (is_even, mut free) = (farthest < apart + 1.0, plot.left);
        for (index, (at, name)) in self.begins.iter().enumerate() {
            let Some(at) = x.at(*at).filter(|at| *at > plot.left && *at < plot.right()) else {
                continue;
            };
            let more = [("stroke-dasharray", "1 3".into())];
            svg.line([at, plot.top], [at, plot.bottom()], colours.axis, &more);
            let half = 0.5 * width_of(name, size);
            let is_turn = if is_even { index % every == every - 1 } else { at - half >= free };
            if is_turn && at - half >= plot.left && at + half <= plot.right() {
                free = at + half + 8.0;
                let font = Font { size, anchor: Anchor::Middle, ..look.font(colours.muted) };
                svg.text([at, plot.top - 5.0], font, name);
            }
        }
    }

    fn draw_guides(&self, svg: &mut Svg, look: &Look, plot: Area, y: &Scale, is_list: bool) {
        let colours = look.colours();
        for guide in &self.guides {
            let Some(at) = y.at(guide.at) else { continue };
            let more = [("stroke-dasharray", "5 4".into())];
            svg.line([plot.left, at], [plot.right(), at], colours.muted, &more);
            if is_list {
                let font = Font { anchor: Anchor::End, ..look.font(colours.muted) };
                let above = if at - plot.top < 16.0 { look.size() + 3.0 } else { -5.0 };
                svg.text([plot.right() - 4.0, at + above], font, &guide.text);
            }
        }
    }

    /// Where some series has no number.
    fn gaps(&self) -> Vec<[f64; 2]> {
        let points = self.series.iter().filter(|series| series.stroke != Stroke::Faint);
        let mut gaps: Vec<[f64; 2]> =
            points.flat_map(|series| stretches(&series.points).1).collect();
        gaps.sort_by(|a, b| a[0].total_cmp(&b[0]));
        let mut merged: Vec<[f64; 2]> = Vec::new();
        for gap in gaps {
            match merged.last_mut() {
                Some(last) if gap[0] <= last[1] => last[1] = last[1].max(gap[1]),
                _ => merged.push(gap),
            }
        }
        merged
    }

    /// The names of the series at their ends, moved apart where they would overlap.
    fn draw_names(&self, svg: &mut Svg, look: &Look, plot: Area, x: &Scale, y: &Scale) {
        let mut names: Vec<Name> = Vec::new();
        for series in self.named() {
            let on = series.points.iter().rev().find_map(|p| Some([x.at(p[0])?, y.at(p[1])?]));
            names.extend(on.map(|end| Name { end, text: &series.name, colour: series.colour }));
        }
        for guide in &self.guides {
            let end = y.at(guide.at).map(|at| [plot.right(), at]);
            let colour = look.colours().muted;
            names.extend(end.map(|end| Name { end, text: &guide.text, colour }));
        }
        names.sort_by(|a, b| a.end[1].total_cmp(&b.end[1]));
        let line = look.size() + 3.0;
        let mut places: Vec<f64> = names.iter().map(|name| name.end[1]).collect();
        apart(&mut places, line, [plot.top, plot.bottom()]);
        for (Name { end, text, colour }, place) in names.into_iter().zip(places) {
            // A line that ends early, or whose name had to move, is led to its name.
            if plot.right() - end[0] > 12.0 || (place - end[1]).abs() > line {
                let to = [plot.right() + 6.0, place];
                let more = [("stroke-opacity", "0.45".into())];
                svg.line([end[0] + 3.0, end[1]], to, colour, &more);
            }
            let at = [plot.right() + 9.0, place + 0.35 * look.size()];
            svg.text_with(at, look.font(colour), text, &[("class", "name".into())]);
        }
    }
}

/// A name at the end of a line.
struct Name<'a> {
    end: [f64; 2],
    text: &'a str,
    colour: &'static str,
}

/// Moves sorted places at least `line` apart, within the ends as far as there is room.
fn apart(places: &mut [f64], line: f64, [top, bottom]: [f64; 2]) {
    let mut free = top;
    for place in places.iter_mut() {
        *place = place.max(free);
        free = *place + line;
    }
    let mut most = bottom;
    for place in places.iter_mut().rev() {
        *place = place.min(most);
        most = *place - line;
    }
}

fn draw_list(svg: &mut Svg, look: &Look, top: f64, line: &[&Series]) {
    let (size, mut left) = (look.size(), look.edge());
    for series in line {
        let middle = top + 0.65 * size;
        let more = [("stroke-width", "2.5".into()), ("stroke-dasharray", dashes(series).into())];
        svg.line([left, middle], [left + 14.0, middle], series.colour, &more);
        let text = fitted(&series.name, size, look.width - 2.0 * look.edge() - 34.0);
        let font = look.font(look.colours().ink);
        svg.text_with([left + 20.0, top + size], font, &text, &[("class", "name".into())]);
        left += 34.0 + width_of(&text, size);
    }
}

fn dashes(series: &Series) -> &'static str {
    if series.stroke == Stroke::Dashed { "5 3" } else { "none" }
}

/// Marks the places where something is no number, from the last number before to the first after.
fn draw_gaps(svg: &mut Svg, look: &Look, plot: Area, gaps: &[[f64; 2]], x: &Scale, all: &[f64]) {
    let (colours, text, mut free): (&Colours, _, f64) = (look.colours(), "no number", plot.left);
    for [from, to] in gaps {
        let (Some(from), Some(to)) = (x.at(*from), x.at(*to)) else { continue };
        let (left, right) = ((from - 1.5).max(plot.left), (to + 1.5).min(plot.right()));
        let area = Area { left, width: right - left, ..plot };
        let more = [("fill-opacity", "0.16".into()), ("class", "gap".into())];
        svg.rect(area, &[&[("fill", colours.alarm.into())][..], &more].concat());
        let width = width_of(text, look.size());
        let start = left.min(plot.right() - width);
        if start >= free && all.len() > 1 {
            svg.text([start, plot.top + look.size()], look.font(colours.alarm), text);
            free = start + width + 10.0;
        }
    }
}

fn draw_series(svg: &mut Svg, series: &Series, x: &Scale, y: &Scale) {
    let on = |[px, py]: [f64; 2]| match (x.at(px), y.at(py)) {
        (Some(x), Some(y)) => [x, y],
        _ => [x.at(px).unwrap_or(f64::NAN), f64::NAN],
    };
    draw_band(svg, series, x, y);
    let points: Vec<[f64; 2]> = series.points.iter().copied().map(on).collect();
    let (parts, _) = stretches(&points);
    let (width, opacity) = match series.stroke {
        Stroke::Faint => ("1", "0.28"),
        _ => ("2", "1"),
    };
    for part in parts {
        let is_line = !matches!(series.stroke, Stroke::Diamond | Stroke::Points);
        if is_line && part.len() > 1 {
            svg.element(
                "path",
                &[
                    ("class", "line".into()),
                    ("data-series", (&series.name).into()),
                    ("d", (&path(&part)).into()),
                    ("fill", "none".into()),
                    ("stroke", series.colour.into()),
                    ("stroke-width", width.into()),
                    ("stroke-opacity", opacity.into()),
                    ("stroke-dasharray", dashes(series).into()),
                    ("stroke-linejoin", "round".into()),
                    ("stroke-linecap", "round".into()),
                ],
            );
        }
        let is_dots = series.stroke == Stroke::Dots && part.len() <= 60;
        if is_dots || part.len() == 1 || !is_line {
            part.iter().for_each(|point| dot(svg, series, *point));
        }
    }
}

fn dot(svg: &mut Svg, series: &Series, [x, y]: [f64; 2]) {
    let fill = ("fill", series.colour.into());
    if series.stroke == Stroke::Diamond {
        let around = path(&[[x, y - 6.0], [x + 6.0, y], [x, y + 6.0], [x - 6.0, y]]) + "Z";
        svg.element("path", &[("class", "diamond".into()), ("d", (&around).into()), fill]);
    } else {
        let at = [("cx", x.into()), ("cy", y.into()), ("r", 2.8.into())];
        svg.element("circle", &[&at[..], &[("class", "dot".into()), fill]].concat());
    }
}

/// The area between the lowest and the highest.
fn draw_band(svg: &mut Svg, series: &Series, x: &Scale, y: &Scale) {
    let edge = |which: usize| -> Vec<[f64; 2]> {
        let points: Vec<[f64; 2]> = series.band.iter().map(|band| [band[0], band[which]]).collect();
        let on = |[px, py]: [f64; 2]| Some([x.at(px)?, y.at(py)?]);
        thinned(points).into_iter().filter_map(on).collect()
    };
    let (low, mut high) = (edge(1), edge(2));
    if low.len() < 2 {
        return;
    }
    high.reverse();
    let around = path(&[low, high].concat()) + "Z";
    let more = [("fill", series.colour.into()), ("fill-opacity", "0.2".into())];
    let class = [("class", "band".into()), ("d", (&around).into())];
    svg.element("path", &[&class[..], &more].concat());
}
