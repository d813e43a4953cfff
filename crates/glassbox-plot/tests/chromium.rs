//! PNG files beside what Chromium makes of the same SVG, in the same font: where they differ, it is at edges, by little.
//! Without Chromium or the font this says that it was skipped.
#![allow(clippy::print_stderr)] // a skip is printed, and how much differs

mod common;

use common::all;
use glassbox_plot::{Look, Theme, png};
use std::io::Cursor;
use std::path::Path;
use std::process::{Command, Stdio};

/// The most that pictures differ: on average, in steps of 255, and in how many pixels of a million by more than 64.
const BOUNDS: [f64; 2] = [1.0, 100.0];

/// Large pixels of images whose edge runs through the middle of a column of ours belong to either side.
const MOST_TIED: f64 = 5000.0;

/// A picture of pixels, row by row.
struct Pixels {
    width: usize,
    channels: usize,
    bytes: Vec<u8>,
}

impl Pixels {
    fn read(file: &[u8]) -> Pixels {
        let mut reader = ::png::Decoder::new(Cursor::new(file)).read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        let frame = reader.next_frame(&mut bytes).unwrap();
        let channels = frame.color_type.samples();
        assert!(frame.bit_depth == ::png::BitDepth::Eight && channels >= 3);
        Pixels { width: frame.width as usize, channels, bytes }
    }

    fn at(&self, x: usize, y: usize) -> &[u8] {
        &self.bytes[self.channels * (y * self.width + x)..][..3]
    }

    fn height(&self) -> usize {
        self.bytes.len() / (self.channels * self.width)
    }
}

/// What a program prints, if it is there.
fn output(program: &str, words: &[&str]) -> Option<String> {
    let made = Command::new(program).args(words).stderr(Stdio::null()).output().ok()?;
    made.status.success().then(|| String::from_utf8_lossy(&made.stdout).into_owned())
}

fn chromium() -> Option<&'static str> {
    let is_there = |name: &&str| output(name, &["--version"]).is_some();
    ["chromium", "chromium-browser", "google-chrome"].into_iter().find(is_there)
}

/// A page of these pictures below each other, each in the font of our PNG files.
fn page(pictures: &[(&str, String)], look: &Look) -> (String, Vec<usize>) {
    let style = "body { margin: 0 } svg { display: block; font-kerning: none; font-stretch: condensed; \
                 font-variant-ligatures: none; text-rendering: geometricPrecision }";
    let mut text = format!("<!DOCTYPE html><meta charset=utf-8><style>{style}</style>");
    let (mut top, mut tops) = (0, Vec::new());
    for (what, svg) in pictures {
        let pixels = Pixels::read(&png(svg, 1.0).unwrap());
        assert_eq!(pixels.width as f64, look.width, "{what}");
        let (before, rest) = svg.split_once("font-family=\"").unwrap();
        let (_, after) = rest.split_once('"').unwrap();
        text += &format!("{before}font-family=\"DejaVu Sans\"{after}");
        tops.push(top);
        top += pixels.height();
    }
    tops.push(top);
    (text, tops)
}

/// The page as Chromium shows it.
fn screenshot(chromium: &str, folder: &Path, page: &str, sides: [usize; 2]) -> Pixels {
    let (html, shot) = (folder.join("page.html"), folder.join("page.png"));
    std::fs::write(&html, page).unwrap();
    let [width, height] = sides;
    let status = Command::new(chromium)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--disable-lcd-text",
        ])
        .args(["--force-device-scale-factor=1", "--font-render-hinting=none"])
        .arg("--force-color-profile=srgb")
        .arg(format!("--user-data-dir={}", folder.join("profile").display()))
        .arg(format!("--window-size={width},{height}"))
        .arg(format!("--screenshot={}", shot.display()))
        .arg(format!("file://{}", html.display()))
        .stderr(Stdio::null())
        .status();
    assert!(status.unwrap().success());
    let pixels = Pixels::read(&std::fs::read(shot).unwrap());
    assert_eq!([pixels.width, pixels.height()], sides);
    pixels
}

/// The mean difference, and how many pixels of a million differ by much.
fn difference(ours: &Pixels, theirs: &Pixels, top: usize) -> [f64; 2] {
    let (mut sum, mut far) = (0u64, 0u64);
    for (x, y) in (0..ours.height()).flat_map(|y| (0..ours.width).map(move |x| (x, y))) {
        let pairs = ours.at(x, y).iter().zip(theirs.at(x, top + y));
        let differences: Vec<u64> = pairs.map(|(a, b)| u64::from(a.abs_diff(*b))).collect();
        sum += differences.iter().sum::<u64>();
        far += u64::from(differences.into_iter().any(|difference| difference > 64));
    }
    let pixels = (ours.width * ours.height()) as f64;
    [sum as f64 / (3.0 * pixels), 1e6 * far as f64 / pixels]
}

#[test]
fn chromium_shows_the_same() {
    let font = output("fc-match", &["DejaVu Sans:condensed", "file"]).unwrap_or_default();
    let (Some(chromium), true) = (chromium(), font.contains("DejaVuSansCondensed.ttf")) else {
        eprintln!("SKIPPED: PNG beside Chromium needs chromium and DejaVu Sans Condensed");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let losses: Vec<f64> = (0..240).map(|step| 2.3 / (1.0 + 0.05 * f64::from(step))).collect();
    for look in [Look::new(390.0, Theme::Dark), Look::new(1280.0, Theme::Light)] {
        let pictures = all("a run & <its> name", &look, &losses);
        let (page, tops) = page(&pictures, &look);
        let sides = [look.width as usize, tops[pictures.len()]];
        let shown = screenshot(chromium, folder.path(), &page, sides);
        for ((what, svg), top) in pictures.iter().zip(tops) {
            let found = difference(&Pixels::read(&png(svg, 1.0).unwrap()), &shown, top);
            eprintln!(
                "{what} at {}: a mean of {:.3}, {:.0} ppm far off",
                look.width, found[0], found[1]
            );
            let far = if *what == "errors" { MOST_TIED } else { BOUNDS[1] };
            assert!(found[0] < BOUNDS[0] && found[1] < far, "{what} at {}", look.width);
        }
    }
}
