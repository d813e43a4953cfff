//! Rooflines: points and roofs where they belong, recorded files, and files that are none.

mod common;

use common::rooflines;
use glassbox_plot::{Look, Product, Roof, Rooflines, Theme, png, roofline};
use roxmltree::{Document, Node};
use std::path::PathBuf;

fn results(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../bench/results").join(name)
}

#[test]
fn intensity_is_operations_for_each_byte() {
    let product = |sizes, bytes_per_number| Product { sizes, bytes_per_number, gflops: 1.0 };
    // A square of n reads and writes 3·n² numbers for 2·n³ operations.
    assert_eq!(product([600; 3], 4.0).intensity(), 2.0 * 600.0 / 12.0);
    assert_eq!(product([600; 3], 2.0).intensity(), 2.0 * 600.0 / 6.0);
    assert_eq!(product([1, 1, 1], 4.0).intensity(), 2.0 / 12.0);
    let roof = Roof { name: String::new(), gflops: 300.0, gigabytes_per_second: 30.0 };
    assert_eq!([1.0, 10.0, 99.0].map(|x| roof.at(x)), [30.0, 300.0, 300.0]);
}

fn number(node: &Node, name: &str) -> f64 {
    node.attribute(name).unwrap().parse().unwrap()
}

/// Where a number of the first chart is, by the ticks that stand in one row or column.
fn along(document: &Document, class: &str, at: &str, value: f64) -> f64 {
    let ticks = document.descendants().filter(|node| node.attribute("class") == Some(class));
    let shift = |node: &Node| if at == "y" { 0.35 * number(node, "font-size") } else { 0.0 };
    let value_of = |text: &str| {
        let (text, factor) = text.strip_suffix('k').map_or((text, 1.0), |text| (text, 1e3));
        let (text, factor) = text.strip_suffix('M').map_or((text, factor), |text| (text, 1e6));
        factor * text.parse::<f64>().unwrap()
    };
    let found =
        ticks.map(|node| [value_of(node.text().unwrap()).ln(), number(&node, at) - shift(&node)]);
    let mut found: Vec<[f64; 2]> = found.collect();
    let first = (1..found.len()).find(|&index| found[index][0] < found[index - 1][0]);
    found.truncate(first.unwrap_or(found.len()));
    let ([a, from], [b, to]) = (found[0], found[found.len() - 1]);
    from + (value.ln() - a) / (b - a) * (to - from)
}

#[test]
fn points_and_roofs_are_where_they_belong() {
    let mut recorded = rooflines("rung");
    recorded.charts.truncate(1);
    let svg = roofline(&recorded, &Look::new(900.0, Theme::Light));
    let document = Document::parse(&svg).unwrap();
    let dots = document.descendants().filter(|node| node.attribute("class") == Some("dot"));
    let dots: Vec<[f64; 2]> = dots.map(|dot| [number(&dot, "cx"), number(&dot, "cy")]).collect();
    let products = recorded.charts[0].contestants.iter().flat_map(|one| &one.products);
    let mut products: Vec<&Product> = products.collect();
    // Ours are drawn last, and the last contestant is another.
    products.rotate_right(3);
    assert_eq!(dots.len(), products.len());
    for (dot, product) in dots.iter().zip(&products) {
        let x = along(&document, "tick-x", "x", product.intensity());
        let y = along(&document, "tick-y", "y", product.gflops);
        assert!(
            (dot[0] - x).abs() < 0.5 && (dot[1] - y).abs() < 0.5,
            "{product:?}: {dot:?} {x} {y}"
        );
    }
    // The first roof bends where memory brings enough: 10⁶ over 3·10³ operations a byte.
    let line = document.descendants().find(|node| node.attribute("class") == Some("line")).unwrap();
    let bend = line.attribute("d").unwrap().split('L').nth(1).unwrap();
    let (x, y) = bend.split_once(' ').unwrap();
    let (x, y): (f64, f64) = (x.parse().unwrap(), y.parse().unwrap());
    assert!((x - along(&document, "tick-x", "x", 1e6 / 3e3)).abs() < 0.5, "{x}");
    assert!((y - along(&document, "tick-y", "y", 1e6)).abs() < 0.5, "{y}");
}

#[test]
fn recorded_files_are_drawn() {
    let cpu = Rooflines::read(&results("cpu-bench.json")).unwrap();
    let threads: Vec<&str> = cpu.charts.iter().map(|chart| &*chart.name).collect();
    assert_eq!(threads, ["1 thread", "2 threads"]);
    for chart in &cpu.charts {
        let names: Vec<&str> = chart.contestants.iter().map(|one| &*one.name).collect();
        assert!(names.contains(&"glassbox") && names.contains(&"numpy"), "{names:?}");
        assert!(
            chart.roofs.len() == 1 && chart.contestants.iter().all(|one| one.products.len() == 8)
        );
    }
    let gpu = Rooflines::read(&results("gpu-nvidia-h100-80gb-hbm3.json")).unwrap();
    assert_eq!(gpu.charts.iter().map(|chart| chart.roofs.len()).collect::<Vec<_>>(), [1, 2]);
    let ours = |at: usize| gpu.charts[at].contestants.iter().filter(|one| one.is_ours).count();
    assert_eq!([ours(0), ours(1)], [11, 3]);
    // No product is faster than what the maker of the chip states.
    for chart in &gpu.charts {
        for (one, product) in
            chart.contestants.iter().flat_map(|c| c.products.iter().map(move |p| (c, p)))
        {
            let most =
                chart.roofs.iter().map(|roof| roof.at(product.intensity())).fold(0.0, f64::max);
            assert!(product.gflops < most, "{}: {product:?} above {most}", one.name);
        }
    }
    for (recorded, word) in [(cpu, "AMD EPYC"), (gpu, "data sheet")] {
        for look in [Look::new(390.0, Theme::Dark), Look::new(1280.0, Theme::Light)] {
            let svg = roofline(&recorded, &look);
            assert!(svg.contains(word) && png(&svg, 1.0).is_ok(), "{word}");
        }
    }
}

#[test]
fn files_are_not_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.json");
    let read = |text: &str| {
        std::fs::write(&path, text).unwrap();
        Rooflines::read(&path)
    };
    for text in [
        "",
        "{}",
        "[]",
        "null",
        "7",
        "{\"rows\": 3}",
        "{\"rows\": []}",
        "{\"rows\": {\"products\": 1}}",
        "\u{0}",
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(error.contains("(hint: ") && error.contains("file.json"), "{text}: {error}");
    }
    assert!(Rooflines::read(&folder.path().join("none")).is_err());
    assert!(Rooflines::read(folder.path()).is_err());
    let row = |shape: &str, gflops: &str| {
        format!(
            "{{\"rows\": [{{\"job\": \"products\", \"status\": \"passed\", \"rung\": \"01_<x>\", \
             \"shape\": {shape}, \"gflops\": {gflops}}}]}}"
        )
    };
    for (shape, gflops) in [
        ("[0,1,1]", "1"),
        ("[1,1]", "1"),
        ("[-1,1,1]", "1"),
        ("[1e30,1,1]", "1"),
        ("[1,1,1]", "0"),
        ("[1,1,1]", "-3"),
        ("[1,1,1]", "1e300"),
        ("[1,1,1]", "\"x\""),
    ] {
        assert!(read(&row(shape, gflops)).is_err(), "{shape} {gflops}");
    }
    let one = read(&row("[1,1,1]", "5")).unwrap();
    let svg = roofline(&one, &Look::default());
    assert!(svg.contains("1 &lt;x&gt;") && svg.contains("at most is not recorded"), "{svg}");
    assert!(png(&svg, 1.0).is_ok());
    // Any cut of a real file is refused.
    let whole = std::fs::read_to_string(results("gpu-nvidia-h100-80gb-hbm3.json")).unwrap();
    for cut in (0..whole.len() - 2).step_by(whole.len() / 20) {
        assert!(whole.get(..cut).is_none_or(|text| read(text).is_err()), "{cut}");
    }
}
