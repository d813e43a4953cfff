//! The linear template of a sample: its sum is what the network says, within the bound that is stated.

use glassbox::cpu::reference::philox::{Philox, Purpose};
use glassbox::{Device, Error, Flow, Init, Network, Tensor, templates};

const MODELS: [&str; 9] = [
    "1-1",
    "3-2",
    "1-1-relu-1",
    "7-5-relu-3",
    "13-11-leaky0.1-5-relu-4",
    "5-9-relu-8-relu-7-relu-6-leaky0.01-2",
    "6-relu-4-3-relu-relu-2-dropout0.5",
    "784-128-relu-10",
    "9-40-relu-40-relu-40-relu-40-relu-40-relu-40-relu-3",
];

/// Numbers from −`reach` to `reach`, of which one in `zeros` is zero.
fn numbers(count: usize, seed: u64, reach: f32, zeros: usize) -> Vec<f32> {
    let stream = Philox::new(seed, Purpose::Test, 0, 0);
    let number = |i: usize| match i % zeros {
        0 => 0.0,
        _ => reach * (2.0 * stream.uniform(i as u64) - 1.0),
    };
    (0..count).map(number).collect()
}

/// A network whose biases are not zero, and of whose units some are dead.
fn network(model: &str, seed: u64, scale: f32) -> Network {
    let mut network = Network::new(model, Init::He, seed).unwrap();
    for (index, parameter) in network.parameters_mut().enumerate() {
        let is_bias = parameter.name == "bias";
        let count = parameter.value.len();
        let drawn = numbers(count, seed + index as u64, 0.4 * scale, 5);
        for (at, value) in parameter.value.data_mut().iter_mut().enumerate() {
            *value = if is_bias {
                drawn[at] - f32::from(u8::from(at % 7 == 3)) * 30.0
            } else {
                *value * scale
            };
        }
    }
    network
}

fn check(network: &Network, x: &Tensor, case: &str) -> Vec<f64> {
    let found = templates(network, x).unwrap();
    let mut same = network.clone();
    let device = Device::cpu(Some(1)).unwrap();
    let outputs = same.forward(&device, x).unwrap().data().to_vec();
    assert_eq!(found.outputs.len(), outputs.len());
    let ratio = |(template, output): (&glassbox::Template, &f32)| {
        assert_eq!(template.output.to_bits(), output.to_bits(), "{case}: the network's output");
        let sum: f64 = x.values().iter().zip(&template.weights).map(|(x, w)| x * w).sum();
        let size: f64 = x.values().iter().zip(&template.weights).map(|(x, w)| (x * w).abs()).sum();
        assert!((sum - template.product).abs() <= 1e-12 * size, "{case}: the product");
        assert_eq!(template.sum, template.product + template.constant, "{case}: the sum");
        let off = (f64::from(template.output) - template.sum).abs();
        assert!(off <= template.bound, "{case}: off by {off:e} of {:e}", template.bound);
        let off_f64 = (template.output_f64 - template.sum).abs();
        assert!(off_f64 <= template.bound_f64, "{case}: {off_f64:e} of {:e}", template.bound_f64);
        if template.bound > 0.0 { off / template.bound } else { 0.0 }
    };
    found.outputs.iter().zip(&outputs).map(ratio).collect()
}

#[test]
fn the_sum_is_what_the_network_says_within_its_bound() {
    let mut ratios = Vec::new();
    for model in MODELS {
        for seed in 0..if model.starts_with("784") { 3 } else { 40 } {
            for (scale, reach) in [(1.0, 1.0), (1e-20, 1.0), (1.0, 1e-40), (300.0, 1e3)] {
                let network = network(model, seed, scale);
                let width = network.input_width();
                let x = Tensor::new(&[1, width], numbers(width, 99 + seed, reach, 3)).unwrap();
                ratios.extend(check(&network, &x, &format!("{model} {seed} {scale} {reach}")));
                check(&network, &Tensor::zeros(&[1, width]), &format!("{model} {seed}, zeros"));
            }
        }
    }
    // A bound that is never nearly reached would say nothing.
    let most = ratios.iter().copied().fold(0.0, f64::max);
    assert!(most > 0.3, "the most is {most} of the bound");
}

/// The template is the gradient of the logit: moving one input by h moves it by h · template.
#[test]
fn it_holds_around_the_sample() {
    let network = network("7-20-relu-9-leaky0.2-3", 5, 1.0);
    let x = Tensor::new(&[1, 7], numbers(7, 3, 1.0, 4)).unwrap();
    let (found, mut double) = (templates(&network, &x).unwrap(), network.to_f64());
    for input in 0..7 {
        let mut moved = x.to_f64();
        moved.set(input, moved.get(input) + 1e-7);
        let outputs = double.forward(&Device::Reference, &moved).unwrap().values();
        for (template, output) in found.outputs.iter().zip(outputs) {
            let slope = (output - template.output_f64) / 1e-7;
            assert!((slope - template.weights[input]).abs() < 1e-6, "input {input}");
        }
    }
}

#[test]
fn a_network_that_is_dead_says_its_constant() {
    let mut network = Network::new("4-6-relu-2", Init::He, 1).unwrap();
    let values = [-9.0, 0.5];
    for (parameter, value) in network.parameters_mut().skip(1).step_by(2).zip(values) {
        parameter.value.data_mut().fill(value);
    }
    let found = templates(&network, &Tensor::new(&[1, 4], vec![0.1; 4]).unwrap()).unwrap();
    assert_eq!((found.gates.len(), found.gates[0].open, found.gates[0].units), (1, 0, 6));
    for output in &found.outputs {
        assert!(output.weights.iter().all(|weight| *weight == 0.0));
        assert_eq!((output.constant, output.product, output.output), (0.5, 0.0, 0.5));
    }
}

/// Where f32 and f64 let different units through, the bound in f64 says so.
#[test]
fn a_unit_at_its_kink_is_counted() {
    let mut network = Network::new("3-1-relu-1", Init::He, 0).unwrap();
    // In f32, 1 + 2⁻²⁵ is 1, so that the unit is at 0; in f64 it is above.
    let values: [&[f32]; 4] = [&[1.0, 2.0f32.powi(-25), -1.0], &[0.0], &[1000.0], &[0.0]];
    for (parameter, value) in network.parameters_mut().zip(values) {
        parameter.value.data_mut().copy_from_slice(value);
    }
    let x = Tensor::new(&[1, 3], vec![1.0; 3]).unwrap();
    check(&network, &x, "a unit at its kink");
    let found = templates(&network, &x).unwrap().outputs.remove(0);
    assert_eq!((found.sum, found.output), (0.0, 0.0));
    assert!(found.output_f64 > 2e-5 && found.bound_f64 < 4e-5, "{found:?}");
}

#[test]
fn what_is_not_linear_is_refused_by_name() {
    let x = Tensor::zeros(&[1, 3]);
    for (model, at, word) in [
        ("3-4-sigmoid-2", 1, "sigmoid"),
        ("3-relu-4-tanh-2", 2, "tanh"),
        ("3-4-gelu-2", 1, "gelu"),
        ("3-4-relu-2-softmax", 3, "softmax"),
        ("3-4-relu-2-logsoftmax", 3, "logsoftmax"),
    ] {
        let error = templates(&Network::new(model, Init::He, 0).unwrap(), &x).unwrap_err();
        assert!(matches!(error, Error::NotLinear { layer, .. } if layer == at), "{error}");
        let text = error.to_string();
        assert!(text.contains(word) && text.contains("(hint: "), "{text}");
    }
}

#[test]
fn odd_samples_are_refused() {
    let network = Network::new("3-4-relu-2", Init::He, 0).unwrap();
    for shape in [&[1usize, 2][..], &[2, 3], &[0, 3], &[3], &[1, 3, 1]] {
        let x = Tensor::zeros(shape);
        assert!(matches!(templates(&network, &x), Err(Error::Shape { .. })), "{shape:?}");
        let flow = Flow::new(&mut network.clone(), &Device::Reference, &x);
        assert!(matches!(flow, Err(Error::Shape { .. })), "{shape:?}");
    }
    for odd in [f32::NAN, f32::INFINITY] {
        let x = Tensor::new(&[1, 3], vec![0.0, odd, 1.0]).unwrap();
        assert!(matches!(templates(&network, &x), Err(Error::Refused { .. })));
        let mut sick = network.clone();
        sick.parameters_mut().next().unwrap().value.data_mut()[3] = odd;
        let x = Tensor::zeros(&[1, 3]);
        assert!(matches!(templates(&sick, &x), Err(Error::Refused { .. })));
    }
    let x = Tensor::zeros(&[1, 3]).to_f64();
    assert!(matches!(templates(&network, &x), Err(Error::Refused { .. })));
    assert!(matches!(templates(&network.to_f64(), &x), Err(Error::Refused { .. })));
}

#[test]
fn a_flow_has_every_unit_and_the_answer() {
    let mut network = network("6-5-relu-4", 3, 1.0);
    let pixels = [0, 255, 3, 90, 128, 7];
    let flow = Flow::of_image(&mut network, &Device::Reference, &pixels).unwrap();
    let names: Vec<&str> = flow.layers.iter().map(|layer| layer.layer.as_str()).collect();
    assert_eq!(names, ["dense", "relu", "dense"]);
    for (layer, tensor) in flow.layers.iter().zip(network.activations()) {
        assert_eq!(layer.outputs, tensor.data());
    }
    let total: f32 = flow.probabilities.iter().sum();
    assert!((total - 1.0).abs() < 1e-6);
    let ranked = flow.ranked();
    assert_eq!(flow.answer, Some(ranked[0]));
    assert!(
        ranked
            .windows(2)
            .all(|pair| { flow.probabilities[pair[0]] >= flow.probabilities[pair[1]] })
    );
    let mut sick = network.clone();
    sick.parameters_mut().last().unwrap().value.data_mut()[2] = f32::NAN;
    let flow = Flow::of_image(&mut sick, &Device::Reference, &pixels).unwrap();
    assert_eq!(flow.answer, None);
    assert!(Flow::of_image(&mut network, &Device::Reference, &pixels[1..]).is_err());
}
