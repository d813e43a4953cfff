//! `glassbox plot`, and `train --inside`, which it draws.

mod common;

use common::{Outcome, copy, few_digits, folder, glassbox, small_run, with, word};
use std::path::Path;

const PICTURES: [&str; 14] = [
    "curves",
    "rate",
    "throughput",
    "weights",
    "activations",
    "gradients",
    "flow",
    "stuck",
    "first-layer",
    "classes",
    "dead",
    "image",
    "confusion",
    "errors",
];

fn plot(home: &Path, words: &[&str]) -> Outcome {
    glassbox(home, &[&["plot"], words].concat())
}

fn is_svg(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    assert!(text.starts_with("<svg ") && text.ends_with("</svg>\n"), "{}", path.display());
    text
}

#[test]
fn looking_inside_changes_no_bit_and_is_drawn() {
    let home = folder();
    let plain = glassbox(home.path(), &with(&["--out", "plain", "--quiet"])).ok().json();
    let words = ["--out", "run", "--quiet", "--inside"];
    let seen = glassbox(home.path(), &with(&words)).ok().json();
    assert_eq!(plain["model_sha256"], seen["model_sha256"]);
    let events = std::fs::read_to_string(home.path().join("run/events.jsonl")).unwrap();
    assert!(events.lines().filter(|line| line.contains("\"event\":\"inside\"")).count() >= 4);

    let made = plot(home.path(), &["run", "--what", "all", "-o", "out", "--width", "390"]).ok();
    assert_eq!(made.stdout.lines().count(), PICTURES.len(), "{made:?}");
    for name in PICTURES {
        let svg = is_svg(&home.path().join(format!("out/{name}.svg")));
        assert!(svg.contains("viewBox=\"0 0 390 ") && svg.len() > 1000, "{name}");
    }
    // The same bytes again, and others in another look.
    let once = is_svg(&home.path().join("out/flow.svg"));
    plot(home.path(), &["run", "--what", "flow", "-o", "again.svg", "--width", "390"]).ok();
    assert_eq!(is_svg(&home.path().join("again.svg")), once);
    plot(home.path(), &["run", "--what", "flow", "-o", "dark.svg", "--theme", "dark"]).ok();
    assert_ne!(is_svg(&home.path().join("dark.svg")), once);
    plot(home.path(), &["run", "--what", "curves,image", "--row", "7", "-o", "two"]).ok();
    assert!(is_svg(&home.path().join("two/image.svg")).contains("Test image 7: a "));
}

#[test]
fn a_run_without_looks_has_the_other_pictures() {
    let (home, _run) = small_run();
    let made = plot(home.path(), &["run", "--what", "all"]).ok();
    assert_eq!(made.stdout.lines().count(), 9, "{made:?}");
    assert!(made.stderr.contains("left out") && made.stderr.contains("--inside"), "{made:?}");
    plot(home.path(), &["run", "--what", "weights"]).hints(&[1]);
    plot(home.path(), &["run"]).ok();
    let curves = is_svg(&home.path().join("curves.svg"));
    assert!(curves.contains("784-16-relu-10") && curves.contains("class=\"diamond\""));
    // Where the data are gone, what needs them is left out, and the curves have no mark of the test.
    let nowhere = home.path().join("elsewhere");
    copy(&home.path().join("run"), &nowhere);
    std::fs::remove_file(nowhere.join("run.toml")).unwrap();
    plot(home.path(), &["elsewhere", "--what", "all", "-o", "few"]).ok();
    assert!(!is_svg(&home.path().join("few/curves.svg")).contains("class=\"diamond\""));
    plot(home.path(), &["elsewhere", "--what", "errors"]).hints(&[1]);
}

#[test]
fn several_runs_are_compared() {
    let home = folder();
    let train = |seed: &str, lr: &str, out: &str| {
        let words = ["train", "--data", few_digits(), "--model", "784-8-relu-10", "--epochs", "1"];
        let more = ["--seed", seed, "--lr", lr, "--threads", "1", "--out", out, "--quiet"];
        glassbox(home.path(), &[&words[..], &more].concat()).ok();
    };
    train("1", "0.1", "a");
    train("2", "0.1", "b");
    train("1", "0.01", "c");
    plot(home.path(), &["a", "b", "-o", "seeds.svg"]).ok();
    let seeds = is_svg(&home.path().join("seeds.svg"));
    assert!(seeds.contains("2 seeds") && seeds.contains("class=\"band\""));
    plot(home.path(), &["a", "b", "c", "-o", "three.svg", "--log", "--smooth", "0"]).ok();
    let three = is_svg(&home.path().join("three.svg"));
    assert!(three.contains("lr 0.1") && three.contains(">c</text>") && three.contains("band"));
    plot(home.path(), &["a", "b", "--what", "all", "-o", "all"]).ok();
    assert_eq!(std::fs::read_dir(home.path().join("all")).unwrap().count(), 3);
    plot(home.path(), &["a", "b", "--what", "weights"]).hints(&[2]);
}

#[test]
fn what_cannot_be_is_said() {
    let (home, run) = small_run();
    plot(home.path(), &["nowhere"]).hints(&[1]);
    plot(home.path(), &["run", "-o", "x.png"]).hints(&[2]);
    plot(home.path(), &["run", "--what", "curves,rate", "-o", "x.svg"]).hints(&[2]);
    plot(home.path(), &["run", "--what", "image", "--row", "500"]).hints(&[2]);
    plot(home.path(), &["run", "--smooth", "1"]).hints(&[2]);
    plot(home.path(), &["run", "--width", "10"]).fails(&[2]);
    plot(home.path(), &["run", "--what", "everything"]).fails(&[2]);
    plot(home.path(), &[]).fails(&[2]);
    plot(home.path(), &["run", "-o", word(&run.join("run.toml/x"))]).hints(&[1]);
    assert!(!home.path().join("x.svg").exists() && !home.path().join("x.png").exists());
}

#[test]
fn events_are_not_trusted() {
    let (home, run) = small_run();
    let path = run.join("events.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    let network = r#""network":"<script>alert(1)</script>""#;
    let mut text = text.replace(r#""network":"784-16-relu-10""#, network);
    assert!(text.contains("<script>"));
    text.push_str("{\"event\":\"step\",\"step\":18446744073709551615,\"epoch\":1,\"loss\":1e308,\"epoch_loss\":1,");
    text.push_str(
        "\"epoch_accuracy\":null,\"rate\":-1e30,\"seconds\":-1e300}\n{\"event\":\"inside\",\"st",
    );
    let mut bytes = text.into_bytes();
    bytes.extend([0xff, 0, b'\n', b'[', b'\n']);
    std::fs::write(&path, &bytes).unwrap();
    let made = plot(home.path(), &["run", "--what", "curves,rate,throughput", "-o", "out"]).ok();
    assert!(made.stderr.contains("2 damaged lines"), "{made:?}");
    let svg = is_svg(&home.path().join("out/curves.svg"));
    assert!(!svg.contains("<script") && svg.contains("&lt;script&gt;") && !svg.contains("NaN"));
    // Any cut of the file is drawn or refused, and never a panic.
    for cut in (0..bytes.len()).step_by(bytes.len() / 25 + 1) {
        std::fs::write(&path, &bytes[..cut]).unwrap();
        let made = plot(home.path(), &["run", "-o", "cut.svg"]);
        assert!(made.code == Some(0) || made.stderr.contains("hint"), "{made:?}");
    }
}
