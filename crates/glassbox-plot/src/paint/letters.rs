//! Letters: the outlines of DejaVu Sans Condensed, which `tools/letters.py` writes into `letters.txt`.

use super::shapes::outline;
use std::collections::HashMap;
use std::sync::LazyLock;
use tiny_skia::{Path, PathBuilder, Transform};

/// How the numbers of the table relate to the size of a text.
const EM: f64 = 2048.0;

/// A letter: how far it moves on, and its outline.
struct Letter {
    advance: f64,
    outline: &'static str,
}

/// By letter, and whether it is bold.
static TABLE: LazyLock<HashMap<(char, bool), Letter>> = LazyLock::new(table);

fn table() -> HashMap<(char, bool), Letter> {
    let mut table = HashMap::new();
    let mut is_bold = false;
    for line in include_str!("letters.txt").lines().filter(|line| !line.starts_with('#')) {
        match line {
            "regular" => is_bold = false,
            "bold" => is_bold = true,
            line => {
                let (letter, advance, outline) = read(line).expect("a script wrote this table");
                table.insert((letter, is_bold), Letter { advance, outline });
            }
        }
    }
    table
}

fn read(line: &'static str) -> Option<(char, f64, &'static str)> {
    let mut words = line.splitn(3, ' ');
    let letter = char::from_u32(u32::from_str_radix(words.next()?, 16).ok()?)?;
    Some((letter, words.next()?.parse().ok()?, words.next().unwrap_or_default()))
}

/// The letter in the table, or a box.
fn find(letter: char, is_bold: bool) -> &'static Letter {
    const BOX: &str = "M120 0L120 1493L1008 1493L1008 0ZM230 110L898 110L898 1383L230 1383Z";
    const WIDE: &str =
        "M120 -200L120 1693L1928 1693L1928 -200ZM230 -90L1818 -90L1818 1583L230 1583Z";
    static MISSING: [Letter; 2] =
        [Letter { advance: 1128.0, outline: BOX }, Letter { advance: EM, outline: WIDE }];
    let is_wide = crate::svg::is_wide(letter);
    TABLE.get(&(letter, is_bold)).unwrap_or(&MISSING[usize::from(is_wide)])
}

/// The width of a text of this size. Letters stand beside each other as the font has them, without kerning.
pub(super) fn width(text: &str, size: f64, is_bold: bool) -> f64 {
    text.chars().map(|letter| find(letter, is_bold).advance).sum::<f64>() * size / EM
}

/// The outline of a text that begins at a point of its base line; nothing if there is nothing to be seen.
pub(super) fn set(text: &str, [x, y]: [f64; 2], size: f64, is_bold: bool) -> Option<Path> {
    let (mut path, mut at) = (PathBuilder::new(), x);
    let scale = (size / EM) as f32;
    for letter in text.chars().map(|letter| find(letter, is_bold)) {
        let place = Transform::from_row(scale, 0.0, 0.0, -scale, at as f32, y as f32);
        let shape = outline(letter.outline).expect("a script wrote this outline").finish();
        if let Some(shape) = shape.and_then(|shape| shape.transform(place)) {
            path.push_path(&shape);
        }
        at += letter.advance * size / EM;
    }
    path.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_letter_can_be_set() {
        assert_eq!(TABLE.len(), 2 * 296);
        for ((letter, is_bold), found) in TABLE.iter() {
            let is_blank = found.outline.is_empty();
            let is_space = letter.is_whitespace() || *letter == '\u{ad}';
            assert!(is_blank == is_space || *letter == '\u{ad}', "{letter:?}");
            assert_eq!(set(&letter.to_string(), [0.0, 0.0], 12.0, *is_bold).is_some(), !is_blank);
            assert!(found.advance > 0.0, "{letter:?}");
        }
    }

    #[test]
    fn widths_are_those_of_the_font() {
        // 1.000 of the size is 2048 in the font; its digits are all as wide.
        assert_eq!(width("0123456789", 2048.0, false), 11720.0);
        assert_eq!(width("", 12.0, true), 0.0);
        assert!(width("M", 12.0, true) > width("M", 12.0, false));
        // What is missing is a box: as wide as a letter, or as a square in scripts that fill squares.
        assert_eq!(width("\u{1f600}層", 2048.0, false), 1128.0 + 2048.0);
    }
}
