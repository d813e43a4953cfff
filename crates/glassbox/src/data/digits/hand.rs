//! A hand: writes a skeleton its own way and returns the path of the pen.
//!
//! What varies between samples is what varies between people: proportions and slant, how round a
//! corner becomes in haste, how far the pen strays, how broad it is and how evenly it is pressed.

use super::styles::{Knot, Style};
use glassbox_cpu::reference::philox::Philox;

/// Points of the path between two knots.
const STEPS: usize = 6;
/// Points of the path between two changes of pressure.
const WAVE: usize = 2 * STEPS;
/// Cells per side of the field by which the paper is stretched.
const CELLS: usize = 3;

/// A place that the pen passes, and half the width of the line there.
#[derive(Clone, Copy)]
pub struct Dot {
    pub x: f32,
    pub y: f32,
    pub radius: f32,
}

/// The habits of a hand. Lengths are in units of the skeleton, which is about 100 high.
pub struct Hand {
    /// How far knots stray.
    jitter: f32,
    /// Rounds of smoothing.
    haste: u32,
    /// Cosine and sine of the writing's turn.
    turn: (f32, f32),
    slant: f32,
    /// Width over height.
    aspect: f32,
    /// How far down the waist is moved.
    waist: f32,
    /// How much wider the lower half is.
    spread: f32,
    /// How far the paper is stretched.
    stretch: f32,
    /// Half the width of the pen.
    radius: f32,
    /// How much of the pen's width comes and goes with pressure.
    pressure: f32,
    /// A broad nib: its direction, and how much thinner it writes along it.
    nib: (f32, f32),
    flatness: f32,
    /// Width in pixels of the edge between ink and paper.
    pub blur: f32,
}

impl Hand {
    /// A random hand.
    pub fn random(dice: &mut Dice) -> Hand {
        let pen = dice.uniform();
        Hand {
            jitter: dice.between(0.8, 2.2),
            haste: dice.between(2.0, 15.0) as u32,
            turn: turn(0.07 * dice.normal()),
            slant: 0.17 + 0.2 * dice.normal(),
            aspect: 0.96 + 0.12 * dice.normal(),
            waist: 5.0 * dice.normal(),
            spread: 0.1 * dice.normal(),
            stretch: dice.between(2.0, 7.0),
            radius: 5.3 + 4.1 * pen + 4.8 * pen * pen * pen,
            pressure: dice.between(0.04, 0.22),
            nib: turn(0.6 * dice.normal()),
            flatness: dice.between(0.0, 0.3),
            blur: dice.between(1.1, 1.4),
        }
    }

    /// The strokes of a digit written in `style`.
    pub fn write(&self, style: &Style, dice: &mut Dice) -> Vec<Vec<Dot>> {
        let field = Field::random(self.stretch, dice);
        self.knots(style, dice)
            .iter()
            .map(|stroke| {
                let mut path = curve(stroke);
                for _ in 0..self.haste {
                    smooth(&mut path);
                }
                for dot in &mut path {
                    field.stretch(dot);
                    self.tilt(dot);
                }
                self.press(&mut path, dice);
                path
            })
            .collect()
    }

    /// Mixes two extremes of a style, and lets every knot stray.
    fn knots(&self, style: &Style, dice: &mut Dice) -> Vec<Vec<Knot>> {
        let count = style.shapes.len();
        let a = dice.below(count);
        let b = (a + 1 + dice.below(count - 1)) % count;
        let share = dice.between(-0.15, 0.6);
        let (a, b) = (&style.shapes[a], &style.shapes[b]);
        let mut mixed = a.clone();
        for (stroke, target) in mixed.iter_mut().zip(b) {
            let lift = [dice.normal(), dice.normal()].map(|shift| 0.6 * self.jitter * shift);
            for (knot, target) in stroke.iter_mut().zip(target) {
                let own = share + 0.1 * dice.normal();
                knot.x += own * (target.x - knot.x) + self.jitter * dice.normal() + lift[0];
                knot.y += own * (target.y - knot.y) + self.jitter * dice.normal() + lift[1];
            }
        }
        mixed
    }

    /// Waist, spread, aspect, slant and turn, about the middle of the skeleton's box.
    fn tilt(&self, dot: &mut Dot) {
        let (cos, sin) = self.turn;
        let y = dot.y - 50.0;
        let y = y + self.waist * (1.0 - y * y * (1.0 / 2500.0));
        let x = (dot.x - 45.0) * self.aspect * (1.0 + self.spread * y * (1.0 / 50.0));
        let x = x - self.slant * y;
        dot.x = cos * x - sin * y;
        dot.y = sin * x + cos * y;
    }

    /// Gives the path its width, which comes and goes with pressure and may thin out at the end.
    fn press(&self, path: &mut [Dot], dice: &mut Dice) {
        let thin_end = if dice.uniform() < 0.3 { dice.between(0.3, 0.9) } else { 1.0 };
        let (mut here, mut there) = (dice.normal(), dice.normal());
        let last = path.len() - 1;
        for i in 0..=last {
            let phase = i % WAVE;
            if phase == 0 && i > 0 {
                (here, there) = (there, dice.normal());
            }
            let pressure = here + ease(phase as f32 / WAVE as f32) * (there - here);
            let left = ((last - i) as f32 / STEPS as f32).min(1.0);
            path[i].radius = self.breadth(path[i.saturating_sub(1)], path[(i + 1).min(last)])
                * (1.0 + self.pressure * pressure).max(0.4)
                * (thin_end + (1.0 - thin_end) * left);
        }
    }

    /// Half the width of the line that the pen draws from one place to another.
    fn breadth(&self, from: Dot, to: Dot) -> f32 {
        let (dx, dy) = (to.x - from.x, to.y - from.y);
        let length = (dx * dx + dy * dy).sqrt().max(1e-3);
        let (cos, sin) = self.nib;
        let across = (dx * sin + dy * cos) / length;
        self.radius * (1.0 - self.flatness * (1.0 - across * across))
    }
}

/// From 0 to 1 with no kink at either end.
fn ease(t: f32) -> f32 {
    t * t * (3.0 - 2.0 * t)
}

/// Cosine and sine of the angle whose half has the tangent `half`: a turn without a sine.
fn turn(half: f32) -> (f32, f32) {
    let scale = 1.0 / (1.0 + half * half);
    ((1.0 - half * half) * scale, 2.0 * half * scale)
}

/// A smooth path through the knots: cubic pieces whose slope at a knot is that from the knot
/// before it to the knot after it (Catmull and Rom). A corner ends one curve and begins the next.
fn curve(stroke: &[Knot]) -> Vec<Dot> {
    let last = stroke.len() - 1;
    let mut path = Vec::with_capacity(last * STEPS + 1);
    for i in 0..last {
        let (b, c) = (stroke[i], stroke[i + 1]);
        let a = if b.corner || i == 0 { b } else { stroke[i - 1] };
        let d = if c.corner || i + 1 == last { c } else { stroke[i + 2] };
        for step in 0..STEPS {
            let t = step as f32 / STEPS as f32;
            path.push(Dot {
                x: cubic(a.x, b.x, c.x, d.x, t),
                y: cubic(a.y, b.y, c.y, d.y, t),
                radius: 0.0,
            });
        }
    }
    path.push(Dot { x: stroke[last].x, y: stroke[last].y, radius: 0.0 });
    path
}

/// The value between `b` (t = 0) and `c` (t = 1) of the Catmull-Rom cubic.
fn cubic(a: f32, b: f32, c: f32, d: f32, t: f32) -> f32 {
    let (linear, square, cube) = (c - a, 2.0 * a - 5.0 * b + 4.0 * c - d, 3.0 * (b - c) + d - a);
    b + 0.5 * t * (linear + t * (square + t * cube))
}

/// Cuts corners, as a quick hand does: every dot moves towards the mean of its neighbours.
fn smooth(path: &mut [Dot]) {
    let mut before = path[0];
    for i in 1..path.len() - 1 {
        let (here, after) = (path[i], path[i + 1]);
        path[i].x = 0.5 * here.x + 0.25 * (before.x + after.x);
        path[i].y = 0.5 * here.y + 0.25 * (before.y + after.y);
        before = here;
    }
}

/// A smooth random field of shifts, given at the corners of a grid of cells.
struct Field {
    shifts: [[[f32; 2]; CELLS + 1]; CELLS + 1],
}

impl Field {
    fn random(scale: f32, dice: &mut Dice) -> Field {
        let mut shifts = [[[0.0; 2]; CELLS + 1]; CELLS + 1];
        for shift in shifts.as_flattened_mut().as_flattened_mut() {
            *shift = scale * dice.normal();
        }
        Field { shifts }
    }

    /// Moves a dot by the shift at its place.
    fn stretch(&self, dot: &mut Dot) {
        let ((column, x), (row, y)) = (cell(dot.x), cell(dot.y));
        let mix = |axis: usize| {
            let corner = |r: usize, c: usize| self.shifts[row + r][column + c][axis];
            let top = corner(0, 0) + x * (corner(0, 1) - corner(0, 0));
            let bottom = corner(1, 0) + x * (corner(1, 1) - corner(1, 0));
            top + y * (bottom - top)
        };
        let shift = [mix(0), mix(1)];
        dot.x += shift[0];
        dot.y += shift[1];
    }
}

/// The cell that a coordinate falls into, and how far it is across, eased at the cell's borders
/// so that the field has no kinks there.
fn cell(place: f32) -> (usize, f32) {
    let cells = ((place + 5.0) * (CELLS as f32 / 110.0)).clamp(0.0, CELLS as f32);
    let index = (cells as usize).min(CELLS - 1);
    (index, ease(cells - index as f32))
}

/// Random numbers in the order in which they are asked for.
pub struct Dice {
    stream: Philox,
    rolls: u64,
}

impl Dice {
    /// The first number will be element 0 of the stream.
    pub fn new(stream: Philox) -> Dice {
        Dice { stream, rolls: 0 }
    }

    /// 32 random bits.
    pub fn bits(&mut self) -> u32 {
        self.rolls += 1;
        self.stream.bits(self.rolls - 1)
    }

    /// Uniform in [0, 1).
    pub fn uniform(&mut self) -> f32 {
        self.rolls += 1;
        self.stream.uniform(self.rolls - 1)
    }

    /// Uniform between `low` and `high`.
    pub fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.uniform()
    }

    /// Uniform in 0..`n`.
    fn below(&mut self, n: usize) -> usize {
        self.rolls += 1;
        self.stream.below(self.rolls - 1, n as u32) as usize
    }

    /// About normal, with mean 0 and variance 1, never beyond 3.5: the sum of four bytes, which
    /// needs neither a logarithm nor a cosine.
    pub fn normal(&mut self) -> f32 {
        let sum: u32 = self.bits().to_le_bytes().into_iter().map(u32::from).sum();
        (sum as f32 - 510.0) * (1.0 / 147.8)
    }
}
