//! Shapes on pixels: filled, outlined, dashed, each edge as soft as what it covers of a pixel.

use crate::raster::Raster;
use tiny_skia::{
    Color, FillRule, FilterQuality, LineCap, LineJoin, Paint, Path, PathBuilder, Pattern, Pixmap,
    Rect, SpreadMode, Stroke, StrokeDash, Transform,
};

/// What a shape is painted with: colours, and how much they cover, from 0 to 1.
pub(super) struct Ink {
    pub fill: Option<([u8; 3], f64)>,
    pub stroke: Option<([u8; 3], f64)>,
    pub width: f64,
    pub dashes: Vec<f32>,
    pub has_round_ends: bool,
    pub has_round_joins: bool,
}

/// A picture that is being painted.
pub(super) struct Canvas {
    pixmap: Pixmap,
    transform: Transform,
}

impl Canvas {
    pub fn new(mut pixmap: Pixmap, scale: f64) -> Canvas {
        pixmap.fill(Color::WHITE);
        Canvas { pixmap, transform: Transform::from_scale(scale as f32, scale as f32) }
    }

    /// The edge between pixels that is nearest to a height: letters that stand there are sharpest.
    pub fn whole(&self, y: f64) -> f64 {
        let scale = f64::from(self.transform.sy);
        (y * scale).round() / scale
    }

    /// Paints a shape; one of no size is none.
    pub fn shape(&mut self, path: Option<Path>, ink: &Ink) {
        let Some(path) = path else { return };
        if let Some(paint) = ink.fill.map(paint) {
            self.pixmap.fill_path(&path, &paint, FillRule::Winding, self.transform, None);
        }
        if let Some(paint) = ink.stroke.map(paint) {
            self.pixmap.stroke_path(&path, &paint, &stroke(ink), self.transform, None);
        }
    }

    /// Paints pixels as squares, into left, top, width and height; nothing where these are no rectangle.
    pub fn image(&mut self, raster: &Raster, [left, top, width, height]: [f64; 4]) -> Option<()> {
        let mut pixels = Pixmap::new(raster.width as u32, raster.height as u32)?;
        for (pixel, colour) in pixels.data_mut().chunks_exact_mut(4).zip(raster.colours()) {
            pixel.copy_from_slice(&[colour[0], colour[1], colour[2], 255]);
        }
        let path = rect([left, top, width, height], 0.0)?;
        let across = (width / raster.width as f64) as f32;
        let down = (height / raster.height as f64) as f32;
        let place = Transform::from_row(across, 0.0, 0.0, down, left as f32, top as f32);
        let (pad, nearest) = (SpreadMode::Pad, FilterQuality::Nearest);
        let paint = Paint {
            shader: Pattern::new(pixels.as_ref(), pad, nearest, 1.0, place),
            ..Paint::default()
        };
        self.pixmap.fill_path(&path, &paint, FillRule::Winding, self.transform, None);
        Some(())
    }

    /// What was painted. Its paper covers everything, so nothing is transparent.
    pub fn raster(&self) -> Raster {
        let (width, height) = (self.pixmap.width() as usize, self.pixmap.height() as usize);
        let colours = self.pixmap.data().chunks_exact(4).flat_map(|pixel| &pixel[..3]);
        Raster::of(width, height, colours.copied().collect())
    }
}

fn paint((colour, share): ([u8; 3], f64)) -> Paint<'static> {
    let mut paint = Paint::default();
    let alpha = (255.0 * share).round() as u8;
    paint.set_color_rgba8(colour[0], colour[1], colour[2], alpha);
    paint
}

fn stroke(ink: &Ink) -> Stroke {
    Stroke {
        width: ink.width as f32,
        line_cap: if ink.has_round_ends { LineCap::Round } else { LineCap::Butt },
        line_join: if ink.has_round_joins { LineJoin::Round } else { LineJoin::Miter },
        dash: StrokeDash::new(ink.dashes.clone(), 0.0),
        ..Stroke::default()
    }
}

/// A rectangle, its corners rounded with a radius.
pub(super) fn rect([left, top, width, height]: [f64; 4], round: f64) -> Option<Path> {
    let rect = Rect::from_xywh(left as f32, top as f32, width as f32, height as f32)?;
    let round = (round as f32).min(0.5 * rect.width()).min(0.5 * rect.height());
    if round <= 0.0 {
        return Some(PathBuilder::from_rect(rect));
    }
    // A cubic curve is nearest to a quarter of a circle with its controls so far from the corner.
    let near = round * (1.0 - 0.552_285);
    let [left, top, right, bottom] = [rect.left(), rect.top(), rect.right(), rect.bottom()];
    let mut path = PathBuilder::new();
    path.move_to(left + round, top);
    path.line_to(right - round, top);
    path.cubic_to(right - near, top, right, top + near, right, top + round);
    path.line_to(right, bottom - round);
    path.cubic_to(right, bottom - near, right - near, bottom, right - round, bottom);
    path.line_to(left + round, bottom);
    path.cubic_to(left + near, bottom, left, bottom - near, left, bottom - round);
    path.line_to(left, top + round);
    path.cubic_to(left, top + near, left + near, top, left + round, top);
    path.close();
    path.finish()
}

/// A line between two points.
pub(super) fn line([from, to]: [[f64; 2]; 2]) -> Option<Path> {
    let mut path = PathBuilder::new();
    path.move_to(from[0] as f32, from[1] as f32);
    path.line_to(to[0] as f32, to[1] as f32);
    path.finish()
}

pub(super) fn circle([x, y]: [f64; 2], radius: f64) -> Option<Path> {
    PathBuilder::from_circle(x as f32, y as f32, radius as f32)
}

/// The path of the data M, L, Q and Z with absolute numbers, which is all that our pictures and letters have; nothing
/// for any other.
pub(super) fn outline(data: &str) -> Option<PathBuilder> {
    let mut path = PathBuilder::new();
    let mut rest = data;
    while let Some(letter) = rest.chars().next() {
        let body = rest.get(1..)?;
        let end = body.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(body.len());
        let numbers = body[..end].split_whitespace().map(|word| word.parse::<f32>().ok());
        let numbers: Vec<f32> = numbers.collect::<Option<_>>()?;
        match (letter, &numbers[..]) {
            ('M', &[x, y]) => path.move_to(x, y),
            ('L', &[x, y]) => path.line_to(x, y),
            ('Q', &[cx, cy, x, y]) => path.quad_to(cx, cy, x, y),
            ('Z', []) => path.close(),
            _ => return None,
        }
        rest = &body[end..];
    }
    Some(path)
}

/// The colour `#rrggbb`.
pub(super) fn colour(text: &str) -> Option<[u8; 3]> {
    let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6 && digits.is_ascii())?;
    let part = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).ok();
    Some([part(0)?, part(2)?, part(4)?])
}
