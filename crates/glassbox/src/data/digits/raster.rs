//! From the path of a pen to pixels, the way MNIST's makers normalised theirs.

use super::hand::{Dice, Dot};
use super::{PIXELS, SIDE};

/// Side of the box into which a digit is fitted, and the margin around it.
const BOX: usize = 20;
const MARGIN: usize = (SIDE - BOX) / 2;
/// Roughness of the edge between ink and paper, in pixels.
const ROUGHNESS: f32 = 0.1;
/// Pixels further than this from the ink are black, however soft and rough its edge.
const REACH: f32 = 1.5;

/// Fits the strokes into the box, inks them, and moves the digit so that it is centred. `image`
/// (28,28) is black.
pub fn ink(image: &mut [u8], strokes: &[Vec<Dot>], blur: f32, dice: &mut Dice) {
    let mut depth = [f32::INFINITY; PIXELS];
    let place = Placement::fit(strokes, BOX as f32 - 0.5 * blur);
    for stroke in strokes {
        for ends in stroke.windows(2) {
            line(&mut depth, place.apply(ends[0]), place.apply(ends[1]));
        }
    }
    let mut canvas = [0; PIXELS];
    for (pixel, &depth) in canvas.iter_mut().zip(&depth) {
        if depth < REACH {
            let edge = depth + ROUGHNESS * dice.normal();
            let ink = (0.5 - edge / blur).clamp(0.0, 1.0);
            *pixel = (255.0 * ink * ink * (3.0 - 2.0 * ink) + 0.5) as u8;
        }
    }
    centre(image, &canvas);
}

/// Scale and shift from the skeleton's units to pixels.
struct Placement {
    scale: f32,
    x: f32,
    y: f32,
}

impl Placement {
    /// Makes the longer side of the ink's bounding box `length` pixels long, and puts its centre
    /// into the middle of the image.
    fn fit(strokes: &[Vec<Dot>], length: f32) -> Placement {
        let (mut low, mut high) = ([f32::INFINITY; 2], [f32::NEG_INFINITY; 2]);
        for dot in strokes.iter().flatten() {
            for (axis, place) in [dot.x, dot.y].into_iter().enumerate() {
                low[axis] = low[axis].min(place - dot.radius);
                high[axis] = high[axis].max(place + dot.radius);
            }
        }
        let scale = length / (high[0] - low[0]).max(high[1] - low[1]);
        let shift = |axis: usize| 0.5 * (SIDE as f32 - scale * (low[axis] + high[axis]));
        Placement { scale, x: shift(0), y: shift(1) }
    }

    fn apply(&self, dot: Dot) -> Dot {
        Dot {
            x: self.scale * dot.x + self.x,
            y: self.scale * dot.y + self.y,
            radius: self.scale * dot.radius,
        }
    }
}

/// Lowers `depth` (28,28), each pixel's distance to the edge of the ink (negative inside), to that
/// of the line from `a` to `b`.
fn line(depth: &mut [f32; PIXELS], a: Dot, b: Dot) {
    let reach = a.radius.max(b.radius) + REACH;
    let (dx, dy) = (b.x - a.x, b.y - a.y);
    let inverse = 1.0 / (dx * dx + dy * dy).max(1e-12);
    for row in span(a.y.min(b.y) - reach, a.y.max(b.y) + reach) {
        let y = row as f32 + 0.5 - a.y;
        for column in span(a.x.min(b.x) - reach, a.x.max(b.x) + reach) {
            let x = column as f32 + 0.5 - a.x;
            let along = ((x * dx + y * dy) * inverse).clamp(0.0, 1.0);
            let (off_x, off_y) = (x - along * dx, y - along * dy);
            let radius = a.radius + along * (b.radius - a.radius);
            let pixel = &mut depth[row * SIDE + column];
            *pixel = pixel.min((off_x * off_x + off_y * off_y).sqrt() - radius);
        }
    }
}

/// The box's pixels whose centre lies between two coordinates.
fn span(low: f32, high: f32) -> std::ops::Range<usize> {
    let pixel = |place: f32| (place + 0.5).clamp(MARGIN as f32, (SIDE - MARGIN) as f32) as usize;
    pixel(low)..pixel(high)
}

/// Copies the canvas into `image`, moved by whole pixels so that the centre of mass comes to the
/// middle, as near as it can without losing ink.
fn centre(image: &mut [u8], canvas: &[u8; PIXELS]) {
    let shifts = [1, SIDE].map(|stride| {
        let (mut mass, mut moment, mut low, mut high) = (0, 0, SIDE, 0);
        for (i, &pixel) in canvas.iter().enumerate().filter(|(_, pixel)| **pixel > 0) {
            let place = i / stride % SIDE;
            mass += u32::from(pixel);
            moment += u32::from(pixel) * place as u32;
            (low, high) = (low.min(place), high.max(place));
        }
        // In MNIST it lies between 13.5 and 14.5, counted in pixels from 0, not around 13.5.
        let middle = SIDE as f32 / 2.0 - moment as f32 / mass as f32;
        let shift = (middle + SIDE as f32 + 0.5) as i32 - SIDE as i32;
        shift.clamp(-(low as i32), (SIDE - 1 - high) as i32)
    });
    let offset = shifts[0] + shifts[1] * SIDE as i32;
    for (i, &pixel) in canvas.iter().enumerate().filter(|(_, pixel)| **pixel > 0) {
        image[(i as i32 + offset) as usize] = pixel;
    }
}
