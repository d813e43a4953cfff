//! The SVG writer: elements, attributes and text, and no way around the escaping.
//!
//! Everything is a presentation attribute: neither `style` nor ids, scripts or links, so that a page with a strict
//! content policy can hold many of these pictures at once.

use std::fmt::Write;

/// How wide a character is taken to be, in em. Fonts differ; few are wider on average.
const EM: f64 = 0.6;

/// What fonts to take, the best known of each system first.
const FONTS: &str =
    "Inter, system-ui, -apple-system, Segoe UI, Roboto, Helvetica Neue, Arial, sans-serif";

/// A picture that is being written.
pub(crate) struct Svg {
    text: String,
    open: Vec<&'static str>,
}

/// The value of an attribute.
#[derive(Clone, Copy)]
pub(crate) enum Value<'a> {
    Number(f64),
    Text(&'a str),
}

impl From<f64> for Value<'_> {
    fn from(number: f64) -> Self {
        Value::Number(number)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Value::Text(text)
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Self {
        Value::Text(text)
    }
}

/// Where a text stands with respect to its point.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// How a text looks.
#[derive(Clone, Copy)]
pub(crate) struct Font<'a> {
    pub size: f64,
    pub fill: &'a str,
    pub anchor: Anchor,
    pub is_bold: bool,
}

/// A rectangle: left, top, width, height.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Area {
    pub left: f64,
    pub top: f64,
    pub width: f64,
    pub height: f64,
}

impl Area {
    pub fn right(&self) -> f64 {
        self.left + self.width
    }

    pub fn bottom(&self) -> f64 {
        self.top + self.height
    }
}

impl Svg {
    /// A picture of this size; `title` and `description` are for those who cannot see it.
    pub fn new(size: [f64; 2], paper: &str, title: &str, description: &str) -> Svg {
        let mut svg = Svg { text: String::new(), open: Vec::new() };
        let view = format!("0 0 {} {}", number(size[0]), number(size[1]));
        svg.begin(
            "svg",
            &[
                ("xmlns", "http://www.w3.org/2000/svg".into()),
                ("viewBox", (&view).into()),
                ("width", size[0].into()),
                ("height", size[1].into()),
                ("role", "img".into()),
                ("aria-label", title.into()),
                ("font-family", FONTS.into()),
                ("font-variant", "tabular-nums".into()),
            ],
        );
        svg.leaf("title", title);
        svg.leaf("desc", description);
        let all = Area { left: 0.0, top: 0.0, width: size[0], height: size[1] };
        svg.rect(all, &[("fill", paper.into())]);
        svg
    }

    /// Begins an element that holds others.
    pub fn begin(&mut self, name: &'static str, attributes: &[(&str, Value)]) {
        self.start(name, attributes);
        self.text.push_str(">\n");
        self.open.push(name);
    }

    /// Ends the element that was begun last.
    pub fn end(&mut self) {
        let name = self.open.pop().expect("an element was begun");
        _ = writeln!(self.text, "</{name}>");
    }

    /// An element that holds nothing.
    pub fn element(&mut self, name: &str, attributes: &[(&str, Value)]) {
        self.start(name, attributes);
        self.text.push_str("/>\n");
    }

    pub fn rect(&mut self, area: Area, more: &[(&str, Value)]) {
        let Area { left, top, width, height } = area;
        self.start("rect", &[("x", left.into()), ("y", top.into())]);
        self.attributes(&[("width", width.into()), ("height", height.into())]);
        self.attributes(more);
        self.text.push_str("/>\n");
    }

    /// A rectangle that says what it is when it is pointed at.
    pub fn titled_rect(&mut self, area: Area, fill: &str, title: &str) {
        let Area { left, top, width, height } = area;
        self.start("rect", &[("x", left.into()), ("y", top.into()), ("width", width.into())]);
        self.attributes(&[("height", height.into()), ("fill", fill.into())]);
        self.text.push('>');
        self.leaf("title", title);
        self.text.push_str("</rect>\n");
    }

    pub fn line(&mut self, from: [f64; 2], to: [f64; 2], stroke: &str, more: &[(&str, Value)]) {
        self.start("line", &[("x1", from[0].into()), ("y1", from[1].into())]);
        self.attributes(&[("x2", to[0].into()), ("y2", to[1].into()), ("stroke", stroke.into())]);
        self.attributes(more);
        self.text.push_str("/>\n");
    }

    pub fn text(&mut self, at: [f64; 2], font: Font, text: &str) {
        self.text_with(at, font, text, &[]);
    }

    pub fn text_with(&mut self, at: [f64; 2], font: Font, text: &str, more: &[(&str, Value)]) {
        self.start("text", &[("x", at[0].into()), ("y", at[1].into())]);
        self.attributes(&[("font-size", font.size.into()), ("fill", font.fill.into())]);
        match font.anchor {
            Anchor::Start => {}
            Anchor::Middle => self.attributes(&[("text-anchor", "middle".into())]),
            Anchor::End => self.attributes(&[("text-anchor", "end".into())]),
        }
        if font.is_bold {
            self.attributes(&[("font-weight", "600".into())]);
        }
        self.attributes(more);
        self.text.push('>');
        escape(&mut self.text, text);
        self.text.push_str("</text>\n");
    }

    /// A picture of pixels, each a sharp square.
    pub fn image(&mut self, area: Area, uri: &str) {
        let Area { left, top, width, height } = area;
        self.element(
            "image",
            &[
                ("x", left.into()),
                ("y", top.into()),
                ("width", width.into()),
                ("height", height.into()),
                ("preserveAspectRatio", "none".into()),
                ("image-rendering", "pixelated".into()),
                ("href", uri.into()),
            ],
        );
    }

    /// The finished text.
    pub fn finish(mut self) -> String {
        while !self.open.is_empty() {
            self.end();
        }
        self.text
    }

    fn start(&mut self, name: &str, attributes: &[(&str, Value)]) {
        _ = write!(self.text, "<{name}");
        self.attributes(attributes);
    }

    fn attributes(&mut self, attributes: &[(&str, Value)]) {
        for (name, value) in attributes {
            _ = write!(self.text, " {name}=\"");
            match value {
                Value::Number(x) => push_number(&mut self.text, *x),
                Value::Text(text) => escape(&mut self.text, text),
            }
            self.text.push('"');
        }
    }

    fn leaf(&mut self, name: &str, text: &str) {
        _ = write!(self.text, "<{name}>");
        escape(&mut self.text, text);
        _ = writeln!(self.text, "</{name}>");
    }
}

/// A coordinate: two decimals at most, and never anything that is no number.
pub(crate) fn number(x: f64) -> String {
    let mut text = String::new();
    push_number(&mut text, x);
    text
}

/// The same, written at the end of a text. A picture has thousands of them, and is drawn while a training wants the
/// processors: whole hundredths are written in a fraction of the time of `{x:.2}`.
fn push_number(text: &mut String, x: f64) {
    let x = if x.is_finite() { x.clamp(-1e6, 1e6) } else { 0.0 };
    let hundredths = (100.0 * x).round() as i64;
    if hundredths < 0 {
        text.push('-');
    }
    let (whole, rest) = (hundredths.unsigned_abs() / 100, hundredths.unsigned_abs() % 100);
    _ = write!(text, "{whole}");
    if rest > 0 {
        let digit = |digit: u64| char::from(b'0' + digit as u8);
        text.push('.');
        text.push(digit(rest / 10));
        if rest % 10 > 0 {
            text.push(digit(rest % 10));
        }
    }
}

/// The data of a path through points that are all finite.
pub(crate) fn path(points: &[[f64; 2]]) -> String {
    // A letter, a space, and two coordinates of five or six digits.
    let mut text = String::with_capacity(16 * points.len());
    for (index, [x, y]) in points.iter().enumerate() {
        text.push(if index == 0 { 'M' } else { 'L' });
        push_number(&mut text, *x);
        text.push(' ');
        push_number(&mut text, *y);
    }
    text
}

/// The width of a text.
pub(crate) fn width_of(text: &str, size: f64) -> f64 {
    let em = |c: char| if is_wide(c) { 1.0 } else { EM };
    size * text.chars().map(em).sum::<f64>()
}

/// Characters of East Asian scripts fill a square.
pub(crate) fn is_wide(c: char) -> bool {
    ('\u{2e80}'..'\u{fb00}').contains(&c)
}

/// The text, cut with … so that it fits.
pub(crate) fn fitted(text: &str, size: f64, width: f64) -> String {
    if width_of(text, size) <= width {
        return text.to_string();
    }
    let mut short = String::new();
    for c in text.chars() {
        short.push(c);
        if width_of(&short, size) + EM * size > width {
            short.pop();
            break;
        }
    }
    short.push('…');
    short
}

/// The text in lines that fit, cut after `most` of them.
pub(crate) fn wrapped(text: &str, size: f64, width: f64, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width_of(line, size) + width_of(word, size) + EM * size <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(fitted(word, size, width)),
        }
    }
    if lines.len() > most {
        lines.truncate(most);
        if let Some(last) = lines.last_mut() {
            last.push_str(" …");
            *last = fitted(last, size, width);
        }
    }
    lines
}

/// Writes a text so that it is a text in XML, whatever it says.
fn escape(out: &mut String, text: &str) {
    // Nearly all that is written, above all the data of paths, needs no escape.
    let is_plain =
        |byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'&' | b'<' | b'>' | b'"' | b'\'');
    if text.bytes().all(is_plain) {
        return out.push_str(text);
    }
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Controls are no XML; marks of direction would let a name rearrange what stands beside it.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}' => {
                out.push('\u{fffd}');
            }
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_right() {
        let cases = [
            (0.0, "0"),
            (-0.0, "0"),
            (-0.004, "0"),
            (0.05, "0.05"),
            (-0.25, "-0.25"),
            (12.3, "12.3"),
            (100.0, "100"),
            (-1234.567, "-1234.57"),
            (9.999, "10"),
            (1e300, "1000000"),
            (f64::NEG_INFINITY, "0"),
            (f64::NAN, "0"),
        ];
        for (x, text) in cases {
            assert_eq!(number(x), text);
        }
        for step in -30_000..30_000 {
            // Never half a hundredth, where two ways to round would be right.
            let x = f64::from(step) * 0.0371 + 1e-7;
            let plain = format!("{x:.2}");
            assert_eq!(number(x), plain.trim_end_matches('0').trim_end_matches('.'), "{x}");
        }
    }

    #[test]
    fn what_needs_no_escape_is_as_what_does() {
        let mut out = String::new();
        for text in ["M1 2.5L3 4", "a<b&\"c\"'d'>", "ü\u{202e}\n", ""] {
            escape(&mut out, text);
        }
        assert_eq!(out, "M1 2.5L3 4a&lt;b&amp;&quot;c&quot;&#39;d&#39;&gt;ü\u{fffd}\u{fffd}");
    }
}
