//! `digits`: a built-in data set of handwritten-style digits, for when there is no network.
//!
//! A sample is drawn, not stored. `styles` holds hand-made skeletons of the ways in which people
//! write each digit, `hand` writes one of them the way a random hand would, and `raster` turns
//! the pen's path into pixels with MNIST's conventions: white ink on black, fitted into 20×20
//! pixels, moved by whole pixels until its centre of mass is in the middle of 28×28.
//!
//! Sample `i` depends on the seed and on `i` alone, and only +, -, ×, / and the square root are
//! used, which IEEE 754 rounds in one way: the same digits come out on every machine.
//!
//! It is not MNIST, and an accuracy reached on it is not an accuracy on MNIST.

mod hand;
mod raster;
mod styles;

use glassbox_cpu::reference::philox::{Philox, Purpose};
use hand::{Dice, Hand};
use styles::Style;

/// Height and width of a sample in pixels.
pub const SIDE: usize = 28;
/// Pixels in a sample.
pub const PIXELS: usize = SIDE * SIDE;
/// The seed of the data. It is not the seed of a training, which leaves the data as they are.
pub const SEED: u64 = 1;
/// Training samples: 0 to 59,999 of [`SEED`].
pub const TRAIN: u32 = 60_000;
/// Test samples: those that follow, 60,000 to 69,999 of [`SEED`].
pub const TEST: u32 = 10_000;

/// Labels are shuffled within runs of this length, so that every run holds each digit ten times.
const RUN: u32 = 100;

/// Streams of random numbers: `epoch` tells apart what they are for, `step` is a sample or a run.
const LABELS: u32 = 0;
const STROKES: u32 = 1;

/// Samples `first..first + count` of `seed`: pixels (count,28,28) and labels (count).
///
/// # Panics
///
/// If `first + count` exceeds 2³² - 1.
pub fn generate(seed: u64, first: u32, count: u32) -> (Vec<u8>, Vec<u8>) {
    let end = first.checked_add(count).expect("samples are numbered by 32 bits");
    let labels = labels(seed, first, end);
    let mut pixels = vec![0; count as usize * PIXELS];
    let styles = styles::all();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let share = labels.len().div_ceil(cores).max(1);
    std::thread::scope(|scope| {
        let parts = pixels.chunks_mut(share * PIXELS).zip(labels.chunks(share));
        for ((pixels, labels), part) in parts.zip(0..) {
            let (styles, first) = (&styles, first + part * share as u32);
            scope.spawn(move || {
                for ((image, &label), i) in pixels.chunks_mut(PIXELS).zip(labels).zip(first..) {
                    draw(image, &styles[usize::from(label)], seed, i);
                }
            });
        }
    });
    (pixels, labels)
}

/// The labels of samples `first..end`.
fn labels(seed: u64, first: u32, end: u32) -> Vec<u8> {
    let mut labels = Vec::with_capacity((end - first) as usize);
    let mut i = first;
    while i < end {
        let run = i / RUN;
        let order = Philox::new(seed, Purpose::Digits, LABELS, run).permutation(RUN);
        let rest = order.iter().zip(run * RUN..end).skip((i % RUN) as usize);
        labels.extend(rest.map(|(place, _)| (place % 10) as u8));
        i = first + labels.len() as u32;
    }
    labels
}

/// Draws sample `i` of a digit with these styles into `image` (28,28), which is black.
fn draw(image: &mut [u8], styles: &[Style], seed: u64, i: u32) {
    let mut dice = Dice::new(Philox::new(seed, Purpose::Digits, STROKES, i));
    let style = pick(styles, dice.uniform());
    let hand = Hand::random(&mut dice);
    let path = hand.write(style, &mut dice);
    raster::ink(image, &path, hand.blur, &mut dice);
}

/// The style at `place` (0 to 1) when styles are laid side by side, each as wide as its share.
fn pick(styles: &[Style], place: f32) -> &Style {
    let mut rest = place * styles.iter().map(|style| style.share).sum::<f32>();
    for style in styles {
        rest -= style.share;
        if rest < 0.0 {
            return style;
        }
    }
    &styles[styles.len() - 1]
}
