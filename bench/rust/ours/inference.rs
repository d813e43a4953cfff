//! What 784-128-10 says about one image, and about 10,000: seconds, weights and images in place. One
//! image is numbers, as in the peers; many are the bytes of the files, which are divided here.

use crate::common::{self, Arguments};
use glassbox::{Device, Init, Network, Tensor, infer};
use serde_json::json;

/// Images a forward pass.
const CHUNKS: [usize; 2] = [500, 10_000];

/// Measures both.
pub fn run(arguments: &Arguments) {
    let samples = arguments.number("samples", 7);
    let device = Device::cpu(Some(arguments.number("threads", 1))).expect("a device");
    let mut network = Network::new("784-128-relu-10", Init::Xavier, 0).expect("a network");
    let pixels = common::read(arguments, "t10k").0;
    let one = Tensor::new(&[1, 784], common::numbers(&pixels[..784])).expect("an image");
    let latency = common::timed(100 * samples, 0.0, || {
        network.forward(&device, &one).expect("logits");
    });
    let mut many = serde_json::Map::new();
    let mut out = Tensor::zeros(&[0, 10]);
    for chunk in CHUNKS {
        let seconds = common::timed(samples, 0.0, || {
            for part in pixels.chunks(784 * chunk) {
                infer(&mut network, &device, part, &mut out).expect("logits");
            }
        });
        many.insert(chunk.to_string(), json!(seconds));
    }
    common::print(&json!({"version": crate::VERSION, "one": latency, "many": many}));
}
