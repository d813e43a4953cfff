//! Colours, light and dark: distinct for colour-blind eyes, and dark or light enough to be read as text.

/// On what a picture is to be seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// Dark on white.
    #[default]
    Light,
    /// Light on nearly black.
    Dark,
}

impl Theme {
    /// The colours from negative over zero to positive, evenly spaced: red, green and blue each.
    pub fn diverging(self) -> &'static [[u8; 3]] {
        &Look::new(900.0, self).colours().diverging
    }
}

/// How a picture is to look.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    /// Its width in pixels. Below 600 it is laid out for a phone.
    pub width: f64,
    /// Its colours.
    pub theme: Theme,
}

/// The narrowest and the widest picture.
const WIDTHS: [f64; 2] = [240.0, 4000.0];

impl Default for Look {
    fn default() -> Look {
        Look::new(900.0, Theme::Light)
    }
}

impl Look {
    /// A look; a width from 240 to 4000 is taken as it is, others are moved there.
    pub fn new(width: f64, theme: Theme) -> Look {
        let width = if width.is_finite() { width.clamp(WIDTHS[0], WIDTHS[1]) } else { 900.0 };
        Look { width: width.round(), theme }
    }

    pub(crate) fn is_narrow(&self) -> bool {
        self.width < 600.0
    }

    /// The size of texts: axes, labels.
    pub(crate) fn size(&self) -> f64 {
        if self.is_narrow() { 11.0 } else { 12.0 }
    }

    /// The space around everything.
    pub(crate) fn edge(&self) -> f64 {
        if self.is_narrow() { 14.0 } else { 24.0 }
    }

    pub(crate) fn colours(&self) -> &'static Colours {
        match self.theme {
            Theme::Light => &LIGHT,
            Theme::Dark => &DARK,
        }
    }
}

/// The colours of a theme.
pub(crate) struct Colours {
    pub paper: &'static str,
    /// Titles and numbers.
    pub ink: &'static str,
    /// Axes' texts.
    pub muted: &'static str,
    /// Axes.
    pub axis: &'static str,
    /// Lines of the grid.
    pub grid: &'static str,
    /// What went wrong.
    pub alarm: &'static str,
    /// Series. Okabe and Ito's hues, as dark or light as texts have to be.
    pub series: [&'static str; 8],
    /// From nothing to much.
    sequential: [[u8; 3]; 6],
    /// From nothing to much of what is wrong.
    wrong: [[u8; 3]; 5],
    /// From negative over zero to positive.
    diverging: [[u8; 3]; 7],
}

static LIGHT: Colours = Colours {
    paper: "#ffffff",
    ink: "#1b1f24",
    muted: "#59616d",
    axis: "#9aa2ad",
    grid: "#e8ebef",
    alarm: "#b3261e",
    series: [
        "#0067a3", "#bf4b00", "#00775a", "#a33b78", "#7f5c00", "#2a6f97", "#5b4bb0", "#4a5560",
    ],
    sequential: [
        [244, 247, 251],
        [205, 223, 241],
        [145, 187, 224],
        [73, 140, 199],
        [21, 92, 157],
        [8, 46, 94],
    ],
    wrong: [[248, 246, 243], [253, 219, 188], [247, 165, 98], [214, 96, 22], [133, 47, 0]],
    diverging: [
        [8, 58, 115],
        [61, 126, 186],
        [164, 200, 229],
        [247, 247, 247],
        [248, 193, 150],
        [209, 99, 30],
        [122, 43, 0],
    ],
};

static DARK: Colours = Colours {
    paper: "#14171c",
    ink: "#eceff3",
    muted: "#a3acb8",
    axis: "#5a636f",
    grid: "#272c34",
    alarm: "#ff8a80",
    series: [
        "#5ab4f0", "#f5a04a", "#3ccf9e", "#e79ccb", "#e8d44d", "#8fd3e8", "#b3a6f5", "#b4bdc8",
    ],
    sequential: [
        [28, 33, 41],
        [24, 54, 86],
        [26, 88, 143],
        [53, 131, 197],
        [123, 185, 235],
        [226, 241, 254],
    ],
    wrong: [[32, 31, 31], [84, 46, 16], [150, 76, 18], [225, 124, 44], [255, 205, 155]],
    diverging: [
        [158, 208, 255],
        [66, 142, 210],
        [28, 74, 120],
        [30, 34, 41],
        [115, 58, 18],
        [214, 116, 44],
        [255, 200, 150],
    ],
};

impl Colours {
    /// The colour of series `index`.
    pub fn nth(&self, index: usize) -> &'static str {
        self.series[index % self.series.len()]
    }

    /// From 0, nothing, to 1.
    pub fn sequential(&self, x: f64) -> [u8; 3] {
        between(&self.sequential, x)
    }

    /// From 0, nothing wrong, to 1.
    pub fn wrong(&self, x: f64) -> [u8; 3] {
        between(&self.wrong, x)
    }

    /// From −1 over 0 to 1.
    pub fn diverging(&self, x: f64) -> [u8; 3] {
        between(&self.diverging, 0.5 * (x + 1.0))
    }

    /// What can be read on a colour: dark or light.
    pub fn on(&self, ground: [u8; 3]) -> &'static str {
        let dark = contrast(ground, parse(LIGHT.ink));
        if dark >= contrast(ground, parse(LIGHT.paper)) { LIGHT.ink } else { LIGHT.paper }
    }
}

/// The colour at `x` from 0 to 1 on a way through some; what is no number is at 0.
fn between(way: &[[u8; 3]], x: f64) -> [u8; 3] {
    let x = if x.is_nan() { 0.0 } else { x.clamp(0.0, 1.0) } * (way.len() - 1) as f64;
    let index = (x as usize).min(way.len() - 2);
    let share = x - index as f64;
    let (from, to) = (way[index], way[index + 1]);
    let mix = |a: u8, b: u8| (f64::from(a) + share * (f64::from(b) - f64::from(a))).round() as u8;
    [mix(from[0], to[0]), mix(from[1], to[1]), mix(from[2], to[2])]
}

/// A colour as SVG writes it.
pub(crate) fn hex([red, green, blue]: [u8; 3]) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// The colour that a text of ours names.
pub(crate) fn parse(text: &str) -> [u8; 3] {
    let part = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("#rrggbb");
    [part(1), part(3), part(5)]
}

/// The contrast of two colours, as WCAG 2 has it: 1 to 21; small texts need 4.5.
fn contrast(a: [u8; 3], b: [u8; 3]) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

fn luminance(colour: [u8; 3]) -> f64 {
    let linear = |byte: u8| match f64::from(byte) / 255.0 {
        x if x <= 0.04045 => x / 12.92,
        x => ((x + 0.055) / 1.055).powf(2.4),
    };
    0.2126 * linear(colour[0]) + 0.7152 * linear(colour[1]) + 0.0722 * linear(colour[2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        for theme in [Theme::Light, Theme::Dark] {
            let colours = Look::new(900.0, theme).colours();
            let texts = [colours.ink, colours.muted, colours.alarm];
            for text in texts.into_iter().chain(colours.series) {
                let found = contrast(parse(text), parse(colours.paper));
                assert!(found >= 4.5, "{theme:?}: {text} has a contrast of {found:.2}");
            }
            for step in 0..=100 {
                let x = f64::from(step) / 100.0;
                for ground in [colours.sequential(x), colours.wrong(x)] {
                    let found = contrast(parse(colours.on(ground)), ground);
                    assert!(found >= 4.0, "{theme:?}: {ground:?} has a contrast of {found:.2}");
                }
            }
        }
    }

    #[test]
    fn more_is_darker_on_light_and_lighter_on_dark() {
        for (theme, sign) in [(Theme::Light, -1.0), (Theme::Dark, 1.0)] {
            let colours = Look::new(900.0, theme).colours();
            for step in 0..100 {
                let (x, next) = (f64::from(step) / 100.0, f64::from(step + 1) / 100.0);
                for way in [Colours::sequential, Colours::wrong] {
                    let change = luminance(way(colours, next)) - luminance(way(colours, x));
                    assert!(sign * change > -1e-3, "{theme:?} at {x}");
                }
            }
        }
        assert_eq!(LIGHT.diverging(f64::NAN), LIGHT.diverging(-1.0));
        assert_eq!(LIGHT.diverging(0.0), [247, 247, 247]);
    }
}
