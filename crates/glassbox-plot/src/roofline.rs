//! Rooflines: how fast products of matrices are, beside what the machine allows (Williams, Waterman and Patterson, 2009).

use crate::chart::{Axis, Chart, draw};
use crate::figure::Figure;
use crate::scale::{Unit, brief};
use crate::series::{Series, Stroke};
use crate::svg::fitted;
use crate::theme::Look;

/// What a machine does at most.
#[derive(Clone, Debug, PartialEq)]
pub struct Roof {
    /// What does it: `fp32`, or nothing if there is but one.
    pub name: String,
    /// Arithmetic, in 10⁹ operations a second; a multiply-add is two.
    pub gflops: f64,
    /// What memory brings, in 10⁹ bytes a second.
    pub gigabytes_per_second: f64,
}

/// A product of an `m` × `k` and a `k` × `n` matrix that was timed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Product {
    /// `m`, `k` and `n`.
    pub sizes: [u64; 3],
    /// How large a number is in memory.
    pub bytes_per_number: f64,
    /// How fast it was, in 10⁹ operations a second.
    pub gflops: f64,
}

/// Somebody who computes products.
#[derive(Clone, Debug, PartialEq)]
pub struct Contestant {
    /// Its name.
    pub name: String,
    /// Whether it is Glassbox.
    pub is_ours: bool,
    /// What was timed.
    pub products: Vec<Product>,
}

/// Contestants under the same roofs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Roofline {
    /// What they have in common: `1 thread`, `tensor cores`.
    pub name: String,
    /// What is possible.
    pub roofs: Vec<Roof>,
    /// What was done.
    pub contestants: Vec<Contestant>,
}

/// All that one machine recorded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rooflines {
    /// The machine.
    pub machine: String,
    /// When it was recorded.
    pub date: String,
    /// Who says what is possible: `as measured`.
    pub source: String,
    /// A chart for each.
    pub charts: Vec<Roofline>,
}

impl Product {
    /// Operations for each byte that has to move, if both matrices are read once and the product is written once:
    /// 2·m·k·n / (bytes · (m·k + k·n + m·n)).
    pub fn intensity(&self) -> f64 {
        let [m, k, n] = self.sizes.map(|size| size as f64);
        2.0 * m * k * n / (self.bytes_per_number * (m * k + k * n + m * n))
    }

    fn name(&self) -> String {
        match self.sizes {
            [m, k, n] if m == k && k == n => format!("{m}³"),
            [m, k, n] => format!("{m}×{k}×{n}"),
        }
    }
}

impl Roof {
    /// The most operations a second at an intensity, in 10⁹.
    pub fn at(&self, intensity: f64) -> f64 {
        self.gflops.min(self.gigabytes_per_second * intensity)
    }
}

impl Roofline {
    fn products(&self) -> impl Iterator<Item = &Product> {
        self.contestants.iter().flat_map(|contestant| &contestant.products)
    }

    /// Whether some product was faster than a bound says.
    fn is_above(&self, bound: impl Fn(&Roof, &Product) -> f64) -> bool {
        let is_above = |product: &Product| {
            !self.roofs.is_empty()
                && self.roofs.iter().all(|roof| product.gflops > bound(roof, product))
        };
        self.products().any(is_above)
    }

    fn chart(&self, look: &Look) -> Chart {
        let (colours, most) = (look.colours(), (0.4 * look.width).min(150.0));
        let mut products: Vec<&Product> = self.products().collect();
        products.sort_by(|a, b| a.intensity().total_cmp(&b.intensity()));
        let ends =
            [products.first(), products.last()].map(|end| end.map_or(1.0, |p| p.intensity()));
        let ends = [0.6 * ends[0], 1.2 * ends[1]];
        let roofs = self.roofs.iter().map(|roof| roof_line(roof, ends, look, most));
        // Ours are drawn last, so that they are seen where points are in the same place.
        let mut contestants: Vec<&Contestant> = self.contestants.iter().collect();
        contestants.sort_by_key(|contestant| contestant.is_ours);
        let contestants = contestants.into_iter().map(|contestant| {
            let points = contestant.products.iter().map(|p| [p.intensity(), p.gflops]);
            let mut points: Vec<[f64; 2]> = points.collect();
            points.sort_by(|a, b| a[0].total_cmp(&b[0]));
            let colour = colours.nth(usize::from(!contestant.is_ours));
            let name = fitted(&contestant.name, look.size(), most);
            Series::new(&name, points, colour, Stroke::Points)
        });
        products.dedup_by(|a, b| a.intensity() == b.intensity());
        let begins = products.iter().map(|product| (product.intensity(), product.name())).collect();
        Chart {
            x: Axis::new("operations for each byte", Unit::Plain, true),
            y: Axis::new(&format!("GFLOP/s, {}", self.name), Unit::Plain, true),
            series: roofs.chain(contestants).collect(),
            guides: Vec::new(),
            begins,
            is_direct: true,
        }
    }
}

/// Up as far as memory is what holds it back, and level from there.
fn roof_line(roof: &Roof, [low, high]: [f64; 2], look: &Look, most: f64) -> Series {
    let ridge = roof.gflops / roof.gigabytes_per_second;
    let places = [low, ridge.clamp(low, high), high];
    let points = places.map(|x| [x, roof.at(x)]).to_vec();
    let name = fitted(format!("{} roof", roof.name).trim_start(), look.size(), most);
    Series::new(&name, points, look.colours().muted, Stroke::Line)
}

/// How fast products of matrices are, in a chart for each group under the same roofs.
pub fn roofline(recorded: &Rooflines, look: &Look) -> String {
    let Rooflines { machine, date, .. } = recorded;
    let figure = Figure {
        look,
        title: format!("Roofline: {machine}"),
        subtitle: subtitle(recorded),
        description: description(recorded),
    };
    let charts = recorded.charts.iter().filter(|chart| chart.products().next().is_some());
    let charts: Vec<Chart> = charts.map(|chart| chart.chart(look)).collect();
    if charts.is_empty() {
        return figure.empty(&format!("No product of matrices was recorded on {date}."));
    }
    draw(&figure, &charts)
}

fn subtitle(recorded: &Rooflines) -> String {
    let all: Vec<(&Roofline, &Roof)> = recorded
        .charts
        .iter()
        .flat_map(|chart| chart.roofs.iter().map(move |roof| (chart, roof)))
        .collect();
    let memory = |roof: &Roof| format!("{} GB/s", brief(roof.gigabytes_per_second, Unit::Plain));
    let is_one = all.windows(2).all(|pair| memory(pair[0].1) == memory(pair[1].1));
    let words = all.iter().map(|(chart, roof)| {
        let name = if roof.name.is_empty() { &chart.name } else { &roof.name };
        let memory = if is_one { String::new() } else { format!(" and {}", memory(roof)) };
        format!("{name} {}{memory}", rate(roof.gflops))
    });
    let words = words.collect::<Vec<_>>().join(", ");
    let mut text = format!("Products of matrices, {}; blue is Glassbox. ", recorded.date);
    text += &match all.first() {
        None => "What the machine can do at most is not recorded.".to_string(),
        Some((_, roof)) if is_one => {
            format!("Roofs {}: {words}; memory {}.", recorded.source, memory(roof))
        }
        Some(_) => format!("Roofs {}: {words}.", recorded.source),
    };
    let charts = &recorded.charts;
    if charts.iter().any(|chart| chart.is_above(|roof, _| 1.02 * roof.gflops)) {
        text += " Above a level roof: the machine could do more than when its roof was measured.";
    }
    let slope = |roof: &Roof, product: &Product| roof.gigabytes_per_second * product.intensity();
    if charts.iter().any(|chart| chart.is_above(slope)) {
        text += " Above a slope: numbers came from a cache.";
    }
    text
}

/// The fastest of Glassbox and of the others, in words.
fn description(recorded: &Rooflines) -> String {
    let fastest = |chart: &Roofline, is_ours: bool| {
        let all = chart.contestants.iter().filter(|contestant| contestant.is_ours == is_ours);
        let all = all.flat_map(|one| one.products.iter().map(move |product| (one, product)));
        let best = all.max_by(|a, b| a.1.gflops.total_cmp(&b.1.gflops))?;
        let (name, speed) = (&best.0.name, rate(best.1.gflops));
        Some(format!("{name} reaches {speed} at {}", best.1.name()))
    };
    let lines = recorded.charts.iter().map(|chart| {
        let both = [true, false].into_iter().filter_map(|is_ours| fastest(chart, is_ours));
        format!("{}: {}.", chart.name, both.collect::<Vec<_>>().join("; "))
    });
    lines.collect::<Vec<_>>().join(" ")
}

fn rate(gflops: f64) -> String {
    match gflops {
        x if x >= 1e4 => format!("{} TFLOP/s", brief(x / 1e3, Unit::Plain)),
        x => format!("{} GFLOP/s", brief(x, Unit::Plain)),
    }
}
