//! Pictures are parsed as XML, and their geometry is checked: whatever the data, they are sound, and what they show is
//! where it belongs.

mod common;

use common::{Chart, HOSTILE, dataset, grouped, history, hostile_history, inside, text_boxes};
use glassbox::metrics::Confusion;
use glassbox::{Device, Event, Init, Network};
use glassbox_plot::{self as plot, CurveOptions, Group, History, Look, Seen, Test, Theme};
use roxmltree::Document;

const RAW: CurveOptions = CurveOptions { smooth: 0.0, log: false };

fn looks() -> Vec<Look> {
    let widths = [390.0, 900.0, 1280.0];
    widths
        .iter()
        .flat_map(|&w| [Theme::Light, Theme::Dark].map(|theme| Look::new(w, theme)))
        .collect()
}

/// Every picture, of a run that learned something.
fn all(name: &str, look: &Look, losses: &[f64]) -> Vec<(&'static str, String)> {
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
    ]
}

/// It is XML, everything is finite and within the picture, no text overlaps another, and nothing comes from outside.
fn check(what: &str, svg: &str, look: &Look) {
    let document = Document::parse(svg).unwrap_or_else(|error| panic!("{what}: {error}\n{svg}"));
    let root = document.root_element();
    let number = |name: &str| root.attribute(name).unwrap().parse::<f64>().unwrap();
    let (width, height) = (number("width"), number("height"));
    assert_eq!(width, look.width, "{what}");
    assert_eq!(root.attribute("viewBox"), Some(&*format!("0 0 {width} {height}")), "{what}");
    let child = |name: &str| {
        root.children().find(|node| node.has_tag_name(("http://www.w3.org/2000/svg", name)))
    };
    assert!(!child("title").unwrap().text().unwrap_or_default().is_empty(), "{what}");
    assert!(child("desc").is_some(), "{what}");
    for node in document.descendants().filter(|node| node.is_element()) {
        let tag = node.tag_name().name();
        let known = ["svg", "title", "desc", "rect", "line", "path", "circle", "text", "image"];
        assert!(known.contains(&tag), "{what}: <{tag}>");
        for attribute in node.attributes() {
            let (name, value) = (attribute.name(), attribute.value());
            assert!(!name.starts_with("on") && name != "style" && name != "id", "{what}: {name}");
            assert!(
                !value.contains("NaN") && !value.contains("inf")
                    || name == "aria-label"
                    || name == "data-series",
                "{what}: {name}={value}"
            );
            if name == "href" {
                assert!(value.starts_with("data:image/png;base64,"), "{what}: {value}");
            }
            if ["x", "x1", "x2", "cx"].contains(&name) {
                let x: f64 = value.parse().unwrap();
                assert!((-0.01..=width + 0.01).contains(&x), "{what}: {tag} {name}={x}");
            }
            if ["y", "y1", "y2", "cy"].contains(&name) {
                let y: f64 = value.parse().unwrap();
                assert!((-0.01..=height + 0.01).contains(&y), "{what}: {tag} {name}={y}");
            }
        }
    }
    let boxes = text_boxes(&document);
    for (index, (text, area)) in boxes.iter().enumerate() {
        assert!(
            area[0] > -1.0 && area[2] < width + 1.0,
            "{what} at {width}: '{text}' leaves the picture: {area:?}"
        );
        for (other, place) in &boxes[index + 1..] {
            let across = area[2].min(place[2]) - area[0].max(place[0]);
            let down = area[3].min(place[3]) - area[1].max(place[1]);
            assert!(
                across < 0.5 || down < 0.5,
                "{what} at {width}: '{text}' {area:?} overlaps '{other}' {place:?}"
            );
        }
    }
}

#[test]
fn every_picture_is_sound_in_every_look() {
    let losses: Vec<f64> = (0..240).map(|step| 2.3 / (1.0 + 0.05 * f64::from(step))).collect();
    for look in looks() {
        for (what, svg) in all("digits-1", &look, &losses) {
            check(what, &svg, &look);
            assert!(svg.len() < 200_000, "{what}: {} bytes", svg.len());
        }
        assert!(
            all("digits-1", &look, &losses) == all("digits-1", &look, &losses),
            "not the same bytes"
        );
    }
}

#[test]
fn strange_losses_make_sound_pictures() {
    let cases: [(&str, Vec<f64>); 12] = [
        ("none", vec![]),
        ("one", vec![1.5]),
        ("constant", vec![0.25; 50]),
        ("zero", vec![0.0; 50]),
        ("huge", (0..60).map(|i| 10f64.powi(i * 10 - 300)).collect()),
        ("largest", vec![f64::MAX, f64::MIN, f64::MAX]),
        ("smallest", vec![5e-324, 1e-320, 0.0]),
        ("negative", vec![-1.0, -1e-9, -5.0]),
        ("nan", vec![f64::NAN; 30]),
        ("infinite", vec![1.0, f64::INFINITY, f64::NEG_INFINITY, 2.0]),
        ("near", vec![1.0, 1.0 + 1e-15, 1.0 - 1e-15]),
        ("long", (0..30_000).map(|i| f64::from(i % 97)).collect()),
    ];
    for (name, losses) in cases {
        for look in [Look::new(390.0, Theme::Light), Look::new(1280.0, Theme::Dark)] {
            for (what, svg) in all("run", &look, &losses) {
                check(&format!("{what} of {name} losses"), &svg, &look);
            }
        }
    }
}

#[test]
fn hostile_names_are_texts() {
    let look = Look::new(390.0, Theme::Light);
    let attacks: Vec<String> =
        (0..100).map(|n| HOSTILE[n % HOSTILE.len()].replace('N', &n.to_string())).collect();
    for attack in attacks {
        let mut pictures = all(&attack, &look, &[2.0, 1.0, 0.5]);
        let (one, other) = (hostile_history(&attack), history("other", &[1.0, 2.0]));
        let groups = grouped(&[&one, &other]);
        pictures.push(("compared", plot::curves(&groups, &RAW, &look)));
        for (what, svg) in pictures {
            check(what, &svg, &look);
            for bad in [
                "<script",
                "<img",
                "<iframe",
                "javascript:alert(N",
                "]]>",
                "<!",
                "<?",
                "\u{202e}",
                "\u{1b}",
                "\0",
            ] {
                assert!(!svg.contains(bad), "{what}: {bad:?} of {attack:?} is raw");
            }
            if attack.contains(['<', '"']) {
                assert!(!svg.contains(&attack), "{what}: {attack} is raw");
            }
        }
    }
}

#[test]
fn points_are_where_they_belong() {
    let losses: Vec<f64> =
        (0..500).map(|i| 2.0 + (f64::from(i) / 9.0).sin() + f64::from(i) / 250.0).collect();
    let history = history("run", &losses);
    for log in [false, true] {
        for look in looks() {
            let svg = plot::curves(&grouped(&[&history]), &CurveOptions { log, ..RAW }, &look);
            let document = Document::parse(&svg).unwrap();
            let chart = Chart::first(&document, log);
            let drawn = chart.line("train");
            assert_eq!(drawn.len(), losses.len(), "all points of a short series are drawn");
            for (index, [x, y]) in drawn.into_iter().enumerate() {
                let (want_x, want_y) = (chart.x(index as f64 + 1.0), chart.y(losses[index]));
                assert!((x - want_x).abs() < 0.5, "{look:?} {index}: x {x}, not {want_x}");
                assert!((y - want_y).abs() < 0.5, "{look:?} {index}: y {y}, not {want_y}");
            }
            // The ticks lie on both sides of the middle and within a quarter of each end.
            chart.check_ticks();
        }
    }
}

#[test]
fn what_is_no_number_is_a_gap_with_a_mark() {
    let mut losses: Vec<f64> = (0..100).map(|i| 1.0 + 0.01 * f64::from(i)).collect();
    losses[40] = f64::NAN;
    losses[41] = f64::INFINITY;
    losses[70] = f64::NEG_INFINITY;
    let history = history("run", &losses);
    let svg = plot::curves(&grouped(&[&history]), &RAW, &Look::default());
    let document = Document::parse(&svg).unwrap();
    let chart = Chart::first(&document, false);
    let parts = chart.lines("train");
    assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [40, 28, 29]);
    // No spike: everything drawn is between the least and the largest number.
    let (top, bottom) = (chart.y(1.99) - 0.5, chart.y(1.0) + 0.5);
    assert!(parts.iter().flatten().all(|[_, y]| (top..=bottom).contains(y)));
    let class = |node: &roxmltree::Node| node.attribute("class") == Some("gap");
    let gaps: Vec<[f64; 2]> = document
        .descendants()
        .filter(class)
        .map(|node| {
            let number = |name: &str| node.attribute(name).unwrap().parse::<f64>().unwrap();
            [number("x"), number("x") + number("width")]
        })
        .collect();
    assert_eq!(gaps.len(), 2);
    for (gap, [from, to]) in gaps.iter().zip([[41.0, 42.0], [71.0, 71.0]]) {
        assert!(gap[0] <= chart.x(from) && chart.x(to) <= gap[1], "{gap:?}");
    }
    assert!(svg.contains("no number"));
}

#[test]
fn long_series_are_thinned() {
    let losses: Vec<f64> = (0..30_000).map(|i| if i == 12_345 { 99.0 } else { 1.0 }).collect();
    let history = history("run", &losses);
    let svg = plot::curves(&grouped(&[&history]), &RAW, &Look::default());
    let document = Document::parse(&svg).unwrap();
    let chart = Chart::first(&document, false);
    let drawn = chart.line("train");
    assert!(
        drawn.len() <= plot::MOST_POINTS && svg.len() < 80_000,
        "{} {}",
        drawn.len(),
        svg.len()
    );
    assert!((drawn[0][0] - chart.x(1.0)).abs() < 0.5);
    assert!((drawn[drawn.len() - 1][0] - chart.x(30_000.0)).abs() < 0.5);
    let peak = drawn.iter().map(|point| point[1]).fold(f64::INFINITY, f64::min);
    assert!((peak - chart.y(99.0)).abs() < 0.5, "the extreme is kept");
}

#[test]
fn several_seeds_are_a_band_around_their_mean() {
    let of = |add: f64| history("seed", &(0..50).map(|i| add + f64::from(i)).collect::<Vec<_>>());
    let all = [of(0.0), of(1.0), of(5.0)];
    let groups = [Group { name: "3 seeds".to_string(), runs: all.iter().collect(), test: None }];
    let svg = plot::curves(&groups, &RAW, &Look::default());
    let document = Document::parse(&svg).unwrap();
    let chart = Chart::first(&document, false);
    let (line, band) = (chart.line("train"), chart.band());
    assert_eq!((line.len(), band.len()), (50, 100));
    for index in 0..50 {
        let x = index as f64;
        assert!((line[index][1] - chart.y(x + 2.0)).abs() < 0.5);
        assert!((band[index][1] - chart.y(x)).abs() < 0.5);
        assert!((band[99 - index][1] - chart.y(x + 5.0)).abs() < 0.5);
    }
}

#[test]
fn matrices_of_any_size() {
    for classes in [1usize, 2, 10, 41, 256] {
        let mut confusion = Confusion::new(classes).unwrap();
        for n in 0..5000u32 {
            let label = n % classes as u32;
            confusion.add(label, if n % 7 == 0 { n / 7 % classes as u32 } else { label }).unwrap();
        }
        confusion.add(0, glassbox::metrics::NO_ANSWER).unwrap();
        for look in looks() {
            let svg = plot::confusion(&confusion, &look);
            check(&format!("{classes} classes"), &svg, &look);
            assert!(svg.len() < 400_000, "{classes}: {} bytes", svg.len());
            let cells = svg.matches(" taken for ").count();
            let expected = if classes > 40 { 0 } else { classes * classes };
            assert!(cells >= expected, "{classes}: {cells} cells");
        }
    }
    let empty = plot::confusion(&Confusion::new(3).unwrap(), &Look::default());
    assert!(empty.contains("No image was judged"));
}

#[test]
fn counts_stand_in_their_cells() {
    let mut confusion = Confusion::new(3).unwrap();
    for (label, said, times) in [(0, 0, 111), (0, 2, 222), (1, 1, 333), (2, 0, 444)] {
        (0..times).for_each(|_| confusion.add(label, said).unwrap());
    }
    let svg = plot::confusion(&confusion, &Look::default());
    let document = Document::parse(&svg).unwrap();
    for (count, title) in [(111, "0 taken for 0"), (222, "0 taken for 2"), (444, "2 taken for 0")] {
        let is_cell = |node: &roxmltree::Node| {
            node.children().any(|child| child.text().is_some_and(|text| text.starts_with(title)))
        };
        let cell = document
            .descendants()
            .find(|node| node.tag_name().name() == "rect" && is_cell(node))
            .unwrap();
        let at = |node: roxmltree::Node, name: &str| {
            node.attribute(name).unwrap().parse::<f64>().unwrap()
        };
        let text = document
            .descendants()
            .find(|node| {
                node.tag_name().name() == "text" && node.text() == Some(&count.to_string())
            })
            .unwrap();
        let (x, y) = (at(text, "x") - at(cell, "x"), at(text, "y") - at(cell, "y"));
        assert!(x > 0.0 && x < at(cell, "width") && y > 0.0 && y < at(cell, "height"), "{count}");
    }
}

#[test]
fn networks_of_every_kind() {
    let device = Device::Reference;
    for text in
        ["16-3", "16-5-tanh-4-sigmoid-3", "16-dropout0.5-3", "16-7-relu-3-softmax", "16-1-relu-3"]
    {
        let mut network = Network::new(text, Init::He, 3).unwrap();
        let set = dataset("set", 40, 3);
        let seen = Seen::new(&mut network, &device, &set).unwrap();
        for look in looks() {
            for svg in [
                plot::first_layer(&network, None, &look),
                plot::classes(&seen, &look),
                plot::dead(&seen, &look),
                plot::image(&mut network, &device, &set, 39, &look).unwrap(),
            ] {
                check(text, &svg, &look);
            }
        }
    }
    // Images that the network does not take are an error, and a single class is none.
    let mut network = Network::new("9-3", Init::He, 3).unwrap();
    assert!(Seen::new(&mut network, &device, &dataset("set", 40, 3)).is_err());
    assert!(
        plot::image(&mut network, &device, &dataset("set", 40, 3), 0, &Look::default()).is_err()
    );
    let mut network = Network::new("16-4-relu-1", Init::He, 3).unwrap();
    let seen = Seen::new(&mut network, &device, &dataset("one", 20, 1)).unwrap();
    assert_eq!((seen.confusion.correct(), seen.mistakes.len()), (20, 0));
    check(
        "one class",
        &plot::errors(&seen, &dataset("one", 20, 1), &Look::default()),
        &Look::default(),
    );
    let none = Seen::new(&mut network, &device, &dataset("none", 0, 1)).unwrap();
    check("no image", &plot::classes(&none, &Look::default()), &Look::default());
    check("no image", &plot::dead(&none, &Look::default()), &Look::default());
}

#[test]
fn a_dead_unit_is_crossed_out() {
    let mut network = Network::new("16-6-relu-3", Init::He, 1).unwrap();
    // Unit 4 gets no input and a negative bias.
    let mut parameters = network.parameters_mut();
    let (weight, bias) = (parameters.next().unwrap(), parameters.next().unwrap());
    (0..16).for_each(|input| weight.value.set(input * 6 + 4, 0.0));
    (0..6).for_each(|unit| bias.value.set(unit, if unit == 4 { -1.0 } else { 9.0 }));
    drop(parameters);
    let seen = Seen::new(&mut network, &Device::Reference, &dataset("set", 60, 3)).unwrap();
    let dead: Vec<usize> = (0..6).filter(|unit| seen.layers[0].is_dead[*unit]).collect();
    assert_eq!((dead, seen.layers[0].active[4]), (vec![4], 0.0));
    let svg = plot::dead(&seen, &Look::default());
    assert!(svg.contains("class=\"dead\"") && svg.contains("1 of 6 units"));
}

#[test]
fn hostile_insides_make_sound_pictures() {
    let look = Look::new(390.0, Theme::Dark);
    for scale in [0.0, 1e-38, 1e38, f32::MAX] {
        let mut history = History::new("run");
        history.push(&inside(1, scale, "dense"));
        history.push(&inside(u64::MAX, scale, "dense"));
        let mut odd = inside(0, scale, "dense");
        if let Event::Inside { layers, .. } = &mut odd {
            layers[0].output.bins = Vec::new();
            layers[0].output.not_finite = u64::MAX;
            layers[0].gradient.bins = vec![u32::MAX; 100_000];
            layers[0].output.range = [f32::MAX, f32::MIN];
            layers[0].parameters[0].update_ratio = Some(f64::INFINITY);
            layers[1].stuck = Some([u32::MAX, 0]);
        }
        history.push(&odd);
        for draw in [plot::weights, plot::activations, plot::gradients, plot::flow, plot::stuck] {
            check(&format!("insides of {scale:e}"), &draw(&history, &look), &look);
        }
    }
    let empty = History::new("nothing");
    for draw in [plot::weights, plot::activations, plot::gradients, plot::flow, plot::stuck] {
        check("no inside", &draw(&empty, &look), &look);
    }
}
