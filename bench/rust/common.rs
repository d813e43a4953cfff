//! What all Rust programs of the comparison share: the arguments of `bench/peers/common.py`, the
//! data, the clock, and the JSON object that they print.
#![allow(dead_code, reason = "each program includes this file and uses its part of it")]

use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::Path;
use std::time::Instant;

/// `--name value` pairs.
pub struct Arguments(HashMap<String, String>);

impl Arguments {
    /// Those of the process, from the given position on.
    pub fn from(position: usize) -> Arguments {
        let words: Vec<String> = std::env::args().skip(position).collect();
        let pairs = words.chunks_exact(2);
        Arguments(pairs.map(|pair| (pair[0].replace("--", ""), pair[1].clone())).collect())
    }

    /// The text of an argument, or what stands for it.
    pub fn text(&self, name: &str, default: &str) -> String {
        self.0.get(name).map_or(default, |text| text).to_string()
    }

    /// A number.
    pub fn number(&self, name: &str, default: usize) -> usize {
        let text = self.text(name, &default.to_string());
        text.parse().unwrap_or_else(|_| panic!("--{name} {text}: a number is expected"))
    }
}

/// The images and the labels of one part, `train` or `t10k`.
pub fn read(arguments: &Arguments, part: &str) -> (Vec<u8>, Vec<u8>) {
    let bytes = |kind: &str, header: usize| {
        let file = Path::new(&arguments.text("data", ".")).join(format!("{part}-{kind}-ubyte"));
        let bytes = std::fs::read(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        bytes[header..].to_vec()
    };
    (bytes("images-idx3", 16), bytes("labels-idx1", 8))
}

/// Bytes as numbers between 0 and 1.
pub fn numbers(pixels: &[u8]) -> Vec<f32> {
    pixels.iter().map(|&pixel| f32::from(pixel) / 255.0).collect()
}

/// A network that can be trained and asked.
pub trait Peer {
    /// One pass over the training images.
    fn epoch(&mut self, order: &[u32]);
    /// The classes of the test images.
    fn classes(&mut self) -> Vec<u32>;
}

/// Images and labels, to train on and to test on.
pub struct Data {
    pub train: (Vec<u8>, Vec<u8>),
    pub test: (Vec<u8>, Vec<u8>),
}

/// Trains every point and prints what came out. `make` gets the data, the width, the batch and the
/// rate on the summed loss.
pub fn run<P: Peer>(version: &str, make: impl Fn(&Data, usize, usize, f64) -> P) {
    let arguments = Arguments::from(1);
    run_with(&arguments, version, make);
}

/// The same, with arguments that were read before.
pub fn run_with<P: Peer>(
    arguments: &Arguments,
    version: &str,
    make: impl Fn(&Data, usize, usize, f64) -> P,
) {
    let mut data = Data { train: read(arguments, "train"), test: read(arguments, "t10k") };
    let images = arguments.number("images", data.train.1.len());
    data.train.0.truncate(784 * images);
    data.train.1.truncate(images);
    let mut points = Vec::new();
    for point in arguments.text("points", "128:64").split(',') {
        let (width, batch) = point.split_once(':').expect("a point is WIDTH:BATCH");
        let (width, batch) = (width.parse().expect("a width"), batch.parse().expect("a batch"));
        let rate = f64::min(0.01, 0.64 / batch as f64);
        let (mut peer, mut seconds) = (make(&data, width, batch, rate), Vec::new());
        for epoch in 0..arguments.number("epochs", 10) {
            let start = Instant::now();
            peer.epoch(&permutation(data.train.1.len(), epoch as u64));
            seconds.push(start.elapsed().as_secs_f64());
        }
        let classes = peer.classes();
        let pairs = classes.iter().zip(&data.test.1);
        let right = pairs.filter(|(class, label)| **class == u32::from(**label)).count();
        let accuracy = right as f64 / classes.len() as f64;
        let point =
            json!({"width": width, "batch": batch, "epoch_seconds": seconds, "accuracy": accuracy});
        points.push(point);
    }
    println!("{}", json!({"version": version, "points": points}));
}

/// 0..n in another order for each seed.
fn permutation(n: usize, seed: u64) -> Vec<u32> {
    let mut order: Vec<u32> = (0..n as u32).collect();
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) + 1;
    for last in (1..n).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        order.swap(last, (state % (last as u64 + 1)) as usize);
    }
    order
}

/// Seconds a call, several times; a sample repeats the call until it takes about `least` seconds.
pub fn timed(samples: usize, least: f64, mut work: impl FnMut()) -> Vec<f64> {
    work();
    let start = Instant::now();
    work();
    let count = (least / start.elapsed().as_secs_f64().max(1e-7)).round().max(1.0) as usize;
    let sample = |_| {
        let start = Instant::now();
        (0..count).for_each(|_| work());
        start.elapsed().as_secs_f64() / count as f64
    };
    (0..samples).map(sample).collect()
}

/// Prints one JSON object.
pub fn print(value: &Value) {
    println!("{value}");
}
