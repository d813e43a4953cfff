//! What the tests of pictures share: runs that never were, and charts that are read back from their pixels.
#![allow(dead_code)] // Each test file uses its own part of this.

use glassbox::data::{Dataset, Split};
use glassbox::{Device, EpochRecord, Event, Init, LayerInside, Network, ParameterInside, Spread};
use glassbox_plot::{
    self as plot, Contestant, CurveOptions, Group, History, Look, Product, Roof, Roofline,
    Rooflines, Seen, Test, Theme,
};
use roxmltree::{Document, Node};
use std::sync::Arc;

/// Names that want to be more than names; N is replaced by a number.
pub const HOSTILE: [&str; 20] = [
    "<script>alert(N)</script>",
    "\"><script>alert(N)</script>",
    "'><img src=x onerror=alert(N)>",
    "</title><script>alert(N)</script>",
    "</svg><iframe src=javascript:alert(N)>",
    "]]><script>alert(N)</script>",
    "<![CDATA[N]]>",
    "<!-- N -->",
    "<?xml version='N'?>",
    "<!DOCTYPE svg [<!ENTITY x SYSTEM 'file:///N'>]>",
    "&xN; &amp; &#x3c;script&#x3e;",
    "\" onload=\"alert(N)",
    "' onmouseover='alert(N)",
    "javascript:alert(N)",
    "\u{202e}gnp.N\u{2066}",
    "\u{1b}[31mN\u{0}\u{7}\u{8}",
    "N\r\n\t<g>",
    "\u{fffe}\u{ffff}\u{feff}N",
    "an extremely long name that goes on and on and on, well beyond any room that there may be for it N",
    "層層層層層層層層層層層層層層層層層層層層層層層層層層層層層層N",
];

/// A run with these losses, of ten steps an epoch.
pub fn history(name: &str, losses: &[f64]) -> History {
    let mut history = History::new(name);
    history.push(&Event::Started {
        network: "16-12-relu-3".to_string(),
        parameters: 243,
        samples: 640,
        steps_per_epoch: 10,
        steps: losses.len() as u64,
        epochs: losses.len().div_ceil(10) as u32,
        step: 0,
        untrained: None,
    });
    for (index, &loss) in losses.iter().enumerate() {
        let (step, epoch) = (index as u64 + 1, index as u32 / 10 + 1);
        let (epoch_loss, epoch_accuracy, seconds) = (loss, Some(0.5), 0.01 * step as f64);
        let rate = 0.1;
        history.push(&Event::Step { step, epoch, loss, epoch_loss, epoch_accuracy, rate, seconds });
        if step.is_multiple_of(10) {
            history.push(&Event::Epoch(EpochRecord {
                epoch,
                step,
                train_loss: loss,
                train_accuracy: Some(1.0 - 0.5 / f64::from(epoch)),
                validation_loss: Some(1.1 * loss),
                validation_accuracy: Some(0.95 - 0.5 / f64::from(epoch)),
                seconds: 0.1,
            }));
        }
    }
    history
}

/// A run whose network is called so.
pub fn hostile_history(name: &str) -> History {
    let mut history = history(name, &[1.0, 2.0]);
    history.start.as_mut().unwrap().network = name.to_string();
    history
}

/// Every run by itself.
pub fn grouped<'a>(all: &[&'a History]) -> Vec<Group<'a>> {
    all.iter().map(|run| Group { name: run.name.clone(), runs: vec![*run], test: None }).collect()
}

/// A look into a step of a network with three layers.
pub fn inside(step: u64, scale: f32, layer: &str) -> Event {
    let numbers: Vec<f32> =
        (0..500).map(|i| scale * ((i * 37 % 101) as f32 / 50.0 - 1.0)).collect();
    let spread = Spread::of(&numbers);
    let parameter = |name: &str| ParameterInside {
        name: name.to_string(),
        value: spread.clone(),
        gradient: spread.clone(),
        update_ratio: Some(1e-3 / (step as f64 + 1.0)),
    };
    let of = |index: usize, stuck| LayerInside {
        index,
        layer: if index == 1 { "relu".to_string() } else { layer.to_string() },
        output: spread.clone(),
        gradient: spread.clone(),
        stuck,
        parameters: if index == 1 { vec![] } else { vec![parameter("weight"), parameter("bias")] },
    };
    Event::Inside { step, layers: vec![of(0, None), of(1, Some([3, 12])), of(2, None)] }
}

/// Images of 4 by 4.
pub fn dataset(name: &str, count: usize, classes: usize) -> Arc<Dataset> {
    Arc::new(Dataset {
        name: name.to_string(),
        split: Split::Test,
        images: (0..16 * count).map(|i| (i * 89 % 251) as u8).collect(),
        labels: (0..count).map(|i| (i % classes) as u8).collect(),
        rows: 4,
        cols: 4,
        classes,
    })
}

/// A ladder of eight rungs and a library under two roofs, and one product under none.
pub fn rooflines(name: &str) -> Rooflines {
    let product = |size: u64, gflops| {
        let sizes = if size == 64 { [64, 784, 128] } else { [size; 3] };
        Product { sizes, bytes_per_number: 4.0, gflops }
    };
    let contestant = |rung: u64| Contestant {
        name: format!("{rung} {name}"),
        is_ours: rung < 8,
        products: [64, 512, 4096]
            .map(|size| product(size, (1 << rung) as f64 * size as f64))
            .to_vec(),
    };
    let roof =
        |name: &str, gflops| Roof { name: name.to_string(), gflops, gigabytes_per_second: 3e3 };
    let roofs = vec![roof(name, 1e6), roof("", 2e6)];
    let contestants = (0..9).map(contestant).collect();
    let one = vec![Contestant { products: vec![product(3, 0.5)], ..contestant(9) }];
    let charts = vec![
        Roofline { name: name.to_string(), roofs, contestants },
        Roofline { name: "1 thread".to_string(), roofs: Vec::new(), contestants: one },
    ];
    let text = name.to_string();
    Rooflines { machine: text.clone(), date: text.clone(), source: text, charts }
}

/// At every width, light and dark.
pub fn looks() -> Vec<Look> {
    let widths = [390.0, 900.0, 1280.0];
    widths
        .iter()
        .flat_map(|&w| [Theme::Light, Theme::Dark].map(|theme| Look::new(w, theme)))
        .collect()
}

/// Every picture, of a run that learned something.
pub fn all(name: &str, look: &Look, losses: &[f64]) -> Vec<(&'static str, String)> {
    let mut history = history(name, losses);
    (0..6).for_each(|index| history.push(&inside(1 << index, 1.0, name)));
    let test = Some(Test { loss: 0.2, accuracy: 0.9 });
    let groups = [Group { name: name.to_string(), runs: vec![&history], test }];
    let options = CurveOptions::default();
    let mut network = Network::new("16-12-relu-3", Init::He, 1).unwrap();
    let (set, device) = (dataset(name, 60, 3), Device::Reference);
    let seen = Seen::new(&mut network, &device, &set).unwrap();
    vec![
        ("curves", plot::curves(&groups, &options, look)),
        ("log", plot::curves(&groups, &CurveOptions { log: true, ..options }, look)),
        ("rate", plot::rate(&groups, &options, look)),
        ("throughput", plot::throughput(&groups, &options, look)),
        ("weights", plot::weights(&history, look)),
        ("activations", plot::activations(&history, look)),
        ("gradients", plot::gradients(&history, look)),
        ("flow", plot::flow(&history, look)),
        ("stuck", plot::stuck(&history, look)),
        ("first-layer", plot::first_layer(&network, Some([4, 4]), look)),
        ("classes", plot::classes(&seen, look)),
        ("dead", plot::dead(&seen, look)),
        ("confusion", plot::confusion(&seen.confusion, look)),
        ("errors", plot::errors(&seen, &set, look)),
        ("image", plot::image(&mut network, &device, &set, 5, look).unwrap()),
        ("roofline", plot::roofline(&rooflines(name), look)),
    ]
}

/// Every text with the box it fills, left, top, right, bottom, a character being 0.6 em wide.
pub fn text_boxes(document: &Document) -> Vec<(String, [f64; 4])> {
    let texts = document.descendants().filter(|node| node.tag_name().name() == "text");
    let texts = texts.map(|node| {
        let text = node.text().unwrap_or_default().to_string();
        let size = number(&node, "font-size");
        let wide = |c: char| if ('\u{2e80}'..'\u{fb00}').contains(&c) { 1.0 } else { 0.6 };
        let width = size * text.chars().map(wide).sum::<f64>();
        let left = match node.attribute("text-anchor") {
            Some("middle") => number(&node, "x") - 0.5 * width,
            Some("end") => number(&node, "x") - width,
            _ => number(&node, "x"),
        };
        let bottom = number(&node, "y") + 0.2 * size;
        (text, [left, bottom - size, left + width, bottom])
    });
    texts.collect()
}

fn number(node: &Node, name: &str) -> f64 {
    node.attribute(name).unwrap().parse().unwrap()
}

/// The first chart of a picture, its scales recovered from the texts and places of its ticks.
pub struct Chart<'a> {
    document: &'a Document<'a>,
    is_log: bool,
    x: Vec<[f64; 2]>,
    y: Vec<[f64; 2]>,
}

impl<'a> Chart<'a> {
    pub fn first(document: &'a Document<'a>, is_log: bool) -> Chart<'a> {
        let ticks = |class: &str| -> Vec<[f64; 2]> {
            let all = document.descendants().filter(|node| node.attribute("class") == Some(class));
            let shift = |node: &Node| 0.35 * number(node, "font-size");
            let mut found: Vec<[f64; 2]> = Vec::new();
            let mut row = None;
            for node in all {
                let (x, y) = (number(&node, "x"), number(&node, "y") - shift(&node));
                let (at, across) = if class == "tick-x" { (x, y) } else { (y, x) };
                let value = value_of(node.text().unwrap());
                // The ticks of the second chart begin again, or lie in another row.
                let is_next = found.last().is_none_or(|last| last[0] < value);
                if !is_next || *row.get_or_insert(across) != across {
                    break;
                }
                found.push([value, at]);
            }
            found
        };
        Chart { document, is_log, x: ticks("tick-x"), y: ticks("tick-y") }
    }

    pub fn x(&self, value: f64) -> f64 {
        along(&self.x, value, false)
    }

    pub fn y(&self, value: f64) -> f64 {
        along(&self.y, value, self.is_log)
    }

    pub fn check_ticks(&self) {
        assert!((2..=12).contains(&self.x.len()) && (2..=12).contains(&self.y.len()));
        let drawn = self.line("train");
        for (axis, ticks) in [(0, &self.x), (1, &self.y)] {
            let ends = |all: &[f64]| {
                let low = all.iter().copied().fold(f64::INFINITY, f64::min);
                [low, all.iter().copied().fold(f64::NEG_INFINITY, f64::max)]
            };
            let data = ends(&drawn.iter().map(|point| point[axis]).collect::<Vec<_>>());
            let found = ends(&ticks.iter().map(|tick| tick[1]).collect::<Vec<_>>());
            let span = data[1] - data[0];
            assert!(found[0] - data[0] < 0.5 * span && data[1] - found[1] < 0.5 * span);
        }
    }

    /// The parts of the line of a series in the first chart.
    pub fn lines(&self, name: &str) -> Vec<Vec<[f64; 2]>> {
        let is_line = |node: &Node| {
            node.attribute("class") == Some("line") && node.attribute("data-series") == Some(name)
        };
        let all = self.document.descendants().filter(is_line);
        let is_grid = |node: &Node| node.attribute("class") == Some("grid");
        let right = number(&self.document.descendants().find(is_grid).unwrap(), "x2");
        let mut parts: Vec<Vec<[f64; 2]>> = Vec::new();
        for part in all.map(|node| points(node.attribute("d").unwrap())) {
            // The second chart lies beside or below the first.
            let is_below = parts.last().is_some_and(|last| last[last.len() - 1][0] > part[0][0]);
            if is_below || part[0][0] > right {
                break;
            }
            parts.push(part);
        }
        parts
    }

    pub fn line(&self, name: &str) -> Vec<[f64; 2]> {
        self.lines(name).into_iter().next().unwrap_or_default()
    }

    pub fn band(&self) -> Vec<[f64; 2]> {
        let mut all = self.document.descendants();
        let band = all.find(|node| node.attribute("class") == Some("band")).unwrap();
        points(band.attribute("d").unwrap().trim_end_matches('Z'))
    }
}

/// The place of a value, by the first and the last tick.
fn along(ticks: &[[f64; 2]], value: f64, is_log: bool) -> f64 {
    let of = |x: f64| if is_log { x.ln() } else { x };
    let ([from, at], [to, end]) = (ticks[0], ticks[ticks.len() - 1]);
    at + (of(value) - of(from)) / (of(to) - of(from)) * (end - at)
}

fn value_of(text: &str) -> f64 {
    let text = text.replace('−', "-");
    let (text, factor) = match text.strip_suffix('k') {
        Some(text) => (text, 1e3),
        None => (&*text, 1.0),
    };
    factor * text.parse::<f64>().unwrap()
}

fn points(data: &str) -> Vec<[f64; 2]> {
    let point = |text: &str| {
        let (x, y) = text.split_once(' ').unwrap();
        [x.parse().unwrap(), y.parse().unwrap()]
    };
    data.split(['M', 'L']).filter(|text| !text.is_empty()).map(point).collect()
}
