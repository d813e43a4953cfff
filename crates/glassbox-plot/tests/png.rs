//! PNG files: what the SVG says is there, pixel for pixel, and what cannot be painted is an error.

mod common;

use common::{HOSTILE, all, grouped, history, looks};
use glassbox_plot::{self as plot, CurveOptions, Look, PngError, Theme, png};
use roxmltree::Document;
use std::collections::HashMap;
use std::io::Cursor;

/// A PNG that was read back.
struct Pixels {
    width: usize,
    height: usize,
    bytes: Vec<u8>,
    titles: Vec<String>,
    per_meter: u32,
}

impl Pixels {
    fn read(file: &[u8]) -> Pixels {
        let mut reader = ::png::Decoder::new(Cursor::new(file)).read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        let frame = reader.next_frame(&mut bytes).unwrap();
        assert_eq!(frame.color_type, ::png::ColorType::Rgb);
        let info = reader.info();
        let titles = info.utf8_text.iter().map(|chunk| chunk.get_text().unwrap()).collect();
        let per_meter = info.pixel_dims.unwrap().xppu;
        let (width, height) = (frame.width as usize, frame.height as usize);
        Pixels { width, height, bytes, titles, per_meter }
    }

    fn at(&self, x: usize, y: usize) -> [u8; 3] {
        let at = 3 * (y * self.width + x);
        [self.bytes[at], self.bytes[at + 1], self.bytes[at + 2]]
    }

    /// Left, top, right and bottom of what is not white.
    fn inked(&self) -> [usize; 4] {
        let mut found = [usize::MAX, usize::MAX, 0, 0];
        for (x, y) in (0..self.height).flat_map(|y| (0..self.width).map(move |x| (x, y))) {
            if self.at(x, y) != [255; 3] {
                found =
                    [found[0].min(x), found[1].min(y), found[2].max(x + 1), found[3].max(y + 1)];
            }
        }
        found
    }
}

/// A picture of 40 by 30 with this in it.
fn around(body: &str) -> String {
    format!("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"40\" height=\"30\">{body}</svg>")
}

fn painted(body: &str, scale: f64) -> Pixels {
    Pixels::read(&png(&around(body), scale).unwrap_or_else(|error| panic!("{body}: {error}")))
}

fn losses() -> Vec<f64> {
    (0..240).map(|step| 2.3 / (1.0 + 0.05 * f64::from(step))).collect()
}

#[test]
fn every_picture_is_painted_in_every_look() {
    for look in looks() {
        for (what, svg) in all("digits-1", &look, &losses()) {
            let file = png(&svg, 1.0).unwrap_or_else(|error| panic!("{what}: {error}"));
            let pixels = Pixels::read(&file);
            let document = Document::parse(&svg).unwrap();
            let side = |name| document.root_element().attribute(name).unwrap().parse::<f64>();
            let sides = [pixels.width as f64, pixels.height as f64];
            assert_eq!(sides, [side("width").unwrap(), side("height").unwrap()], "{what}");
            let paper = if look.theme == Theme::Light { [255; 3] } else { [0x14, 0x17, 0x1c] };
            assert_eq!(pixels.at(0, 0), paper, "{what}");
            assert_eq!(pixels.at(pixels.width - 1, pixels.height - 1), paper, "{what}");
            let inked = pixels.bytes.chunks(3).filter(|pixel| **pixel != paper).count();
            let share = inked as f64 / (sides[0] * sides[1]);
            assert!((0.02..0.98).contains(&share), "{what}: {share} is painted");
            let title = document.descendants().find(|node| node.has_tag_name("title"));
            assert_eq!(pixels.titles.first().map(|text| &**text), title.unwrap().text(), "{what}");
            assert_eq!(png(&svg, 1.0).unwrap(), file, "{what}: not the same bytes again");
        }
    }
}

#[test]
fn a_scale_makes_more_pixels_of_the_same() {
    let svg = plot::curves(
        &grouped(&[&history("run", &losses())]),
        &Default::default(),
        &Look::default(),
    );
    let of = |scale| Pixels::read(&png(&svg, scale).unwrap());
    let (one, two) = (of(1.0), of(2.0));
    assert_eq!([two.width, two.height], [2 * one.width, 2 * one.height]);
    assert_eq!((one.per_meter, two.per_meter), (3780, 7559), "96 pixels in 0.0254 m");
    // The mean of four pixels is the one that they stand for, as far as its edges are as fine.
    let mut sum = 0.0;
    for (x, y) in (0..one.height).flat_map(|y| (0..one.width).map(move |x| (x, y))) {
        let four = [(0, 0), (1, 0), (0, 1), (1, 1)].map(|(i, j)| two.at(2 * x + i, 2 * y + j)[0]);
        let mean = four.map(f64::from).iter().sum::<f64>() / 4.0;
        sum += (mean - f64::from(one.at(x, y)[0])).abs();
    }
    let mean = sum / (one.width * one.height) as f64;
    assert!(mean < 0.5, "{mean}");
}

#[test]
fn names_that_attack_are_painted() {
    let look = Look::new(390.0, Theme::Light);
    for (index, attack) in HOSTILE.iter().enumerate() {
        for (what, svg) in all(&attack.replace('N', "7"), &look, &[2.0, 1.0, 0.5]) {
            let made = png(&svg, if index == 0 { 2.0 } else { 0.5 });
            assert!(made.is_ok_and(|file| file.len() > 200), "{what} of {attack:?}");
        }
    }
}

#[test]
fn shapes_cover_the_pixels_that_they_say() {
    let (white, red) = ([255; 3], [255, 0, 0]);
    let rect = painted("<rect x='10' y='5' width='20' height='10' fill='#ff0000'/>", 1.0);
    assert_eq!(rect.inked(), [10, 5, 30, 15]);
    assert_eq!([rect.at(10, 5), rect.at(29, 14), rect.at(30, 14)], [red, red, white]);
    let half = painted("<rect x='10.5' y='5' width='20' height='10' fill='#ff0000'/>", 1.0);
    assert!(half.at(10, 8)[1].abs_diff(128) < 4, "half a pixel is half red: {:?}", half.at(10, 8));
    let thin = "<rect x='0' y='0' width='40' height='30' fill='#000000' fill-opacity='0.25'/>";
    assert!(painted(thin, 2.0).bytes.iter().all(|byte| byte.abs_diff(191) < 2));
    let frame = "<rect x='10' y='5' width='20' height='10' fill='none' stroke='#ff0000' rx='4'/>";
    let frame = painted(frame, 4.0);
    assert_eq!(frame.inked(), [38, 18, 122, 62], "a line of 1 lies half outside");
    assert_eq!([frame.at(80, 40), frame.at(40, 40), frame.at(38, 18)], [white, red, white]);
    let circle = painted("<circle cx='20' cy='15' r='5' fill='#ff0000'/>", 2.0);
    assert_eq!(circle.inked(), [30, 20, 50, 40]);
    assert_eq!([circle.at(40, 30), circle.at(31, 21)], [red, white]);
    let line = "<line x1='0' y1='15' x2='40' y2='15' stroke='#ff0000' stroke-width='2' stroke-dasharray='4 6'/>";
    let line = painted(line, 1.0);
    let row: Vec<bool> = (0..40).map(|x| line.at(x, 15) == red).collect();
    assert!((0..40).all(|x| row[x] == (x % 10 < 4)), "{row:?}");
    assert_eq!(line.inked()[1], 14);
    // Round ends reach half the width further, and a round corner does not reach as far as a sharp one.
    let bend = "<path d='M10 20L20 10L30 20' fill='none' stroke='#ff0000' stroke-width='8'";
    let round = " stroke-linecap='round' stroke-linejoin='round'/>";
    assert_eq!(painted(&format!("{bend}{round}"), 1.0).inked(), [6, 6, 34, 24]);
    assert_eq!(painted(&format!("{bend}/>"), 1.0).inked(), [7, 4, 33, 23]);
    let path = "<path d='M5 5L35 5L35 25Z' fill='#ff0000' stroke='none'/>";
    let path = painted(path, 1.0);
    assert_eq!([path.at(30, 10), path.at(10, 20)], [red, white]);
}

#[test]
fn pixels_of_images_are_sharp_squares() {
    // The colour scale of a picture is an image of 80 by 1; each of its pixels is 2 wide here, or 4 at scale 2.
    let look = Look::new(900.0, Theme::Light);
    let pictures = all("run", &look, &losses());
    let svg = &pictures.iter().find(|(what, _)| *what == "confusion").unwrap().1;
    let document = Document::parse(svg).unwrap();
    let image = document.descendants().find(|node| node.has_tag_name("image")).unwrap();
    let number = |name| image.attribute(name).unwrap().parse::<f64>().unwrap();
    let pixels = Pixels::read(&png(svg, 2.0).unwrap());
    let (left, middle) = (2 * number("x") as usize, 2 * number("y") as usize + 8);
    let mut colours = Vec::new();
    for column in 0..80 {
        let four = [1, 2].map(|more| pixels.at(left + 4 * column + more, middle));
        assert!(four[0] == four[1], "{column}: {four:?}");
        colours.push(four[0]);
    }
    assert!(colours.windows(2).filter(|pair| pair[0] != pair[1]).count() > 60);
    assert_eq!([colours[0], colours[79]], [[244, 247, 251], [8, 46, 94]]);
}

#[test]
fn texts_stand_where_they_should() {
    let text = |more: &str, text: &str| {
        let body = format!("<text x='20' y='20' font-size='10' fill='#000000'{more}>{text}</text>");
        painted(&body, 4.0).inked()
    };
    // In this font an H is 1493 of 2048 high and 1386 wide, with 181 before and after its strokes.
    let [left, top, right, bottom] = text("", "H");
    assert!(top.abs_diff(80 - 29) <= 1 && bottom == 80, "{top} {bottom}");
    assert!(left.abs_diff(80 + 3) <= 1, "{left}");
    let width = right - left;
    let start = |more| text(more, "HH")[0];
    assert!(start(" text-anchor='end'") + width < start(" text-anchor='middle'"));
    assert!(start(" text-anchor='middle'") + width / 2 < start(""));
    let [bold_left, .., bold_right, _] = text(" font-weight='600'", "H");
    assert!(bold_right - bold_left > width);
    // White space is a blank, and none at the ends; what the font lacks is a box.
    assert_eq!(text("", " \n H\t\n H "), text("", "H H"));
    let [_, top, _, bottom] = text("", "\u{1f600}");
    assert!(top < bottom);
}

/// What the letters of the table are wide, in the size of the text.
fn widths() -> HashMap<(bool, char), f64> {
    let (mut widths, mut is_bold) = (HashMap::new(), false);
    for line in include_str!("../src/paint/letters.txt").lines() {
        let words: Vec<&str> = line.splitn(3, ' ').collect();
        match words[..] {
            ["bold"] => is_bold = true,
            [code, width, ..] if !line.starts_with('#') => {
                let letter = char::from_u32(u32::from_str_radix(code, 16).unwrap()).unwrap();
                widths.insert((is_bold, letter), width.parse::<f64>().unwrap() / 2048.0);
            }
            _ => {}
        }
    }
    widths
}

/// Pictures are laid out for letters of 0.6 em; with the letters of a PNG, too, no text meets another or the edge.
#[test]
fn texts_have_the_room_that_they_need() {
    let widths = widths();
    for look in looks() {
        for (what, svg) in all("digits-1", &look, &losses()) {
            let document = Document::parse(&svg).unwrap();
            let texts = document.descendants().filter(|node| node.has_tag_name("text"));
            let mut boxes: Vec<(String, [f64; 4])> = Vec::new();
            for node in texts {
                let number = |name| node.attribute(name).unwrap().parse::<f64>().unwrap();
                let is_bold = node.attribute("font-weight").is_some();
                let text = node.text().unwrap_or_default();
                let of = |c| {
                    widths.get(&(is_bold, c)).unwrap_or_else(|| panic!("{what}: {c:?} is a box"))
                };
                let (size, x, y) = (number("font-size"), number("x"), number("y"));
                let width = size * text.chars().map(of).sum::<f64>();
                let left = match node.attribute("text-anchor") {
                    Some("middle") => x - 0.5 * width,
                    Some("end") => x - width,
                    _ => x,
                };
                let place = [left, y - 0.75 * size, left + width, y];
                assert!(
                    left > 0.0 && left + width < look.width,
                    "{what}: {text} leaves the picture"
                );
                let meets = boxes.iter().find(|(_, other)| {
                    let across = place[2].min(other[2]) - place[0].max(other[0]);
                    across > 0.0 && place[3].min(other[3]) - place[1].max(other[1]) > 0.5
                });
                assert!(meets.is_none(), "{what} at {}: {text} meets {meets:?}", look.width);
                boxes.push((text.to_string(), place));
            }
        }
    }
}

#[test]
fn what_cannot_be_painted_is_an_error() {
    let unknown = [
        "<ellipse cx='1' cy='1' rx='1' ry='1'/>",
        "<use href='#x'/>",
        "<style>rect { fill: red }</style>",
        "<g transform='scale(2)'/>",
        "<g><g><polygon points='1 1'/></g></g>",
        "<rect x='1' y='1' width='1' height='1' style='fill:red'/>",
        "<rect x='1' y='1' width='1' height='1' fill='red'/>",
        "<rect x='1' y='1' width='1' height='1' fill='#12345g'/>",
        "<rect x='1' y='1' width='1' height='1' fill='#ébcd'/>",
        "<rect x='1' y='1' width='1'/>",
        "<rect x='1' y='1' width='1' height='NaN'/>",
        "<rect x='1' y='1' width='1' height='1' fill='#123456' stroke-dasharray='4,3'/>",
        "<line x1='1' y1='1' x2='1e30' y2='1' stroke='#000000'/>",
        "<line x1='1' y1='1' x2='1' y2='1' stroke='#000000' stroke-linecap='square'/>",
        "<path d='M1 1C1 1 1 1 1 1' fill='#000000'/>",
        "<path d='M1 1L2' fill='#000000'/>",
        "<path d='é' fill='#000000'/>",
        "<text x='1' y='1' font-size='1' fill='#000000'>a<tspan>b</tspan></text>",
        "<text x='1' y='1' font-size='1' fill='#000000' font-weight='bold'>a</text>",
        "<text x='1' y='1' font-size='1' fill='#000000' rotate='9'>a</text>",
        "<image x='1' y='1' width='1' height='1' href='http://localhost/x.png'/>",
        "<image x='1' y='1' width='1' height='1' href='data:image/png;base64,iVBORw0KGgo='/>",
    ];
    for body in unknown {
        let error = png(&around(body), 1.0).expect_err(body);
        assert!(matches!(error, PngError::Unknown(_)), "{body}: {error:?}");
        let text = error.to_string();
        assert!(text.contains("cannot be painted (hint: "), "{text}");
    }
    let texts = ["", "no", "<svg", "<html/>", "<!DOCTYPE svg [<!ENTITY a 'b'>]><svg>&a;</svg>"];
    for text in texts {
        assert!(matches!(png(text, 1.0), Err(PngError::Text(_))), "{text}");
    }
    for scale in [f64::NAN, 0.0, -1.0, 0.2, 8.1, f64::INFINITY] {
        assert!(matches!(png(&around(""), scale), Err(PngError::Scale(_))), "{scale}");
    }
    let huge = around("").replace("\"40\"", "\"90000\"").replace("\"30\"", "\"90000\"");
    assert!(matches!(png(&huge, 1.0), Err(PngError::Large { .. })));
    assert!(matches!(png(&huge.replace("90000", "0"), 1.0), Err(PngError::Large { .. })));
    assert!(png(&around(""), 8.0).is_ok());
}

/// Any cut of a picture, and any of its characters changed, is painted or refused.
#[test]
fn damaged_pictures_never_panic() {
    let run = history("run", &losses()[..30]);
    let svg =
        plot::curves(&grouped(&[&run]), &CurveOptions::default(), &Look::new(240.0, Theme::Dark));
    assert!(png(&svg, 0.25).is_ok() && svg.is_ascii());
    for at in (0..svg.len()).step_by(37) {
        assert!(png(&svg[..at], 0.25).is_err());
        for letter in ["<", "\"", "9", "-", "Z", " "] {
            _ = png(&format!("{}{letter}{}", &svg[..at], &svg[at + 1..]), 0.25);
        }
    }
}
