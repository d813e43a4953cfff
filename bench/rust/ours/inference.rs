//! What 784-128-10 says about one image, and about 10,000: seconds, weights and images in place.

use crate::common::{self, Arguments};
use glassbox::{Device, Init, Network, Tensor};
use serde_json::json;

/// Images a forward pass.
const CHUNKS: [usize; 2] = [500, 10_000];

/// Measures both.
pub fn run(arguments: &Arguments) {
    let samples = arguments.number("samples", 7);
    let device = Device::cpu(Some(arguments.number("threads", 1))).expect("a device");
    let mut network = Network::new("784-128-relu-10", Init::Xavier, 0).expect("a network");
    let x = common::numbers(&common::read(arguments, "t10k").0);
    let tensor =
        |pixels: &[f32]| Tensor::new(&[pixels.len() / 784, 784], pixels.to_vec()).expect("images");
    let one = tensor(&x[..784]);
    let latency = common::timed(100 * samples, 0.0, || {
        network.forward(&device, &one).expect("logits");
    });
    let mut many = serde_json::Map::new();
    for chunk in CHUNKS {
        let parts: Vec<Tensor> = x.chunks(784 * chunk).map(tensor).collect();
        let seconds = common::timed(samples, 0.0, || {
            for part in &parts {
                network.forward(&device, part).expect("logits");
            }
        });
        many.insert(chunk.to_string(), json!(seconds));
    }
    common::print(&json!({"version": crate::VERSION, "one": latency, "many": many}));
}
