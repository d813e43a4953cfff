//! The open step: the numbers shown are those that train, and the sum that is shown is the one that is made.

use glassbox::cpu::reference::philox::{Philox, Purpose};
use glassbox::{Device, Init, Loss, Network, Quantity, Reduction, Targets, Tensor, explain};

const MODELS: [&str; 5] = [
    "4-5-relu-3",
    "6-3",
    "3-4-tanh-5-sigmoid-2",
    "5-7-gelu-dropout0.5-4",
    "4-6-leaky0.2-3-softmax",
];

fn batch(rows: usize, width: usize) -> Tensor {
    let stream = Philox::new(7, Purpose::Test, 0, 0);
    // Some zeros, which are left out of sums.
    let number = |i: usize| match i % 5 {
        0 => 0.0,
        _ => 2.0 * stream.uniform(i as u64) - 1.0,
    };
    Tensor::new(&[rows, width], (0..rows * width).map(number).collect()).unwrap()
}

/// Every number of a step of a network, as `Quantity::parse` reads it.
fn all(network: &Network, rows: usize) -> Vec<String> {
    let mut names = Vec::new();
    let mut width = network.input_width();
    let mut number = 0;
    for layer in network.layers() {
        let (input, output) = (width, layer.width(width));
        width = output;
        let is_dense = !layer.parameters().is_empty();
        if is_dense {
            number += 1;
            for o in 0..output {
                names.push(format!("dL/db{number}[{o}]"));
                names.extend((0..input).map(|i| format!("dL/dW{number}[{i},{o}]")));
            }
        }
        let letter = if is_dense { 'z' } else { 'a' };
        for (row, unit) in (0..rows).flat_map(|row| (0..output).map(move |unit| (row, unit))) {
            names.push(format!("{letter}{number}[{row},{unit}]"));
            names.push(format!("dL/d{letter}{number}[{row},{unit}]"));
        }
    }
    names
}

#[test]
fn every_number_is_the_one_that_trains_and_its_sum_ends_in_it() {
    for (model, rows) in MODELS.into_iter().flat_map(|model| [(model, 1), (model, 5)]) {
        let mut network = Network::new(model, Init::He, 3).unwrap();
        let (x, o) = (batch(rows, network.input_width()), network.output_width());
        let labels: Vec<u32> = (0..rows as u32).map(|row| row % o as u32).collect();
        let values = batch(rows, o);
        for (loss, targets) in [
            (Loss::CrossEntropy(Reduction::Mean), Targets::Classes(&labels)),
            (Loss::CrossEntropy(Reduction::Sum), Targets::Classes(&labels)),
            (Loss::MeanSquaredError(Reduction::Mean), Targets::Values(&values)),
        ] {
            network.forward(&Device::cpu(Some(1)).unwrap(), &x).unwrap();
            network.backward(&Device::cpu(Some(1)).unwrap(), loss, &x, targets, None).unwrap();
            for name in all(&network, rows) {
                let quantity = Quantity::parse(&name, &network).unwrap();
                let found = explain(&network, loss, &x, targets, &quantity).unwrap();
                let at = |tensor: &Tensor| {
                    let [first, second] = quantity.place;
                    tensor.data()[first * tensor.shape().last().unwrap() + second]
                };
                let layer = &network.layers()[quantity.layer];
                let expected = match found.what.as_bytes() {
                    text if text.starts_with(b"dL/dW") => at(&layer.parameters()[0].gradient),
                    text if text.starts_with(b"dL/db") => at(&layer.parameters()[1].gradient),
                    text if text.starts_with(b"dL/d") => {
                        at(&network.output_gradients()[quantity.layer])
                    }
                    _ => at(&network.activations()[quantity.layer]),
                };
                assert_eq!(found.value.to_bits(), expected.to_bits(), "{model} {name}");
                let last = found.terms.last().unwrap().sum + 0.0;
                assert_eq!(last.to_bits(), (found.value + 0.0).to_bits(), "{model} {name} {found}");
                assert!(!found.formula.is_empty() && found.to_string().contains(&found.formula));
                let close = |a: f64, b: f64, by: f64| (a - b).abs() <= by * (1.0 + b.abs());
                assert!(close(found.value.into(), found.truth, 1e-5), "{model} {name} {found}");
                assert_eq!(found.difference.is_some(), name.starts_with("dL/d"));
                if let Some(difference) = found.difference {
                    assert!(close(difference, found.truth, 1e-6), "{model} {name} {found}");
                }
            }
        }
    }
}

/// The example that the course shows, 64 products of a batch.
#[test]
fn the_gradient_of_a_weight_is_a_product_for_each_sample() {
    let network = Network::new("20-18-relu-10", Init::He, 0).unwrap();
    let labels: Vec<u32> = (0..64).map(|row| row % 10).collect();
    let (loss, x) = (Loss::CrossEntropy(Reduction::Mean), batch(64, 20));
    let quantity = Quantity::parse("dL/dW2[17,3]", &network).unwrap();
    assert_eq!(quantity, Quantity::parse("2.weight[3,17]", &network).unwrap());
    assert_eq!(quantity, Quantity::parse(" dL / dW2 [ 17, 3 ] ", &network).unwrap());
    let found = explain(&network, loss, &x, Targets::Classes(&labels), &quantity).unwrap();
    assert_eq!(found.what, "dL/dW2[17,3]");
    assert_eq!(found.formula, "Σ_b a1[b,17] · dL/dz2[b,3]");
    assert_eq!(found.terms.len(), 64);
    let mut sum = 0.0f32;
    for (row, term) in found.terms.iter().enumerate() {
        let names: Vec<_> = term.factors.iter().map(|(name, _)| name.clone()).collect();
        assert_eq!(names, [format!("a1[{row},17]"), format!("dL/dz2[{row},3]")]);
        let [a, b] = [term.factors[0].1, term.factors[1].1];
        assert_eq!((term.product, term.is_skipped), (a * b, a == 0.0 || b == 0.0));
        if !term.is_skipped {
            sum = a.mul_add(b, sum);
        }
        assert_eq!(term.sum, sum);
    }
    assert!(found.terms.iter().any(|term| term.is_skipped), "a relu that says 0");
    let text = found.to_string();
    assert!(text.lines().count() > 68 && text.contains("zero: left out"), "{text}");
    let json = serde_json::to_value(&found).unwrap();
    assert_eq!(json["terms"][0]["factors"][0][0], "a1[0,17]");
}

#[test]
fn layers_between_have_names() {
    let network = Network::new("4-5-relu-dropout0.5-3", Init::He, 0).unwrap();
    let labels = [0, 1];
    let (loss, x) = (Loss::CrossEntropy(Reduction::Mean), batch(2, 4));
    let found = |text: &str| {
        let quantity = Quantity::parse(text, &network).unwrap();
        explain(&network, loss, &x, Targets::Classes(&labels), &quantity).unwrap()
    };
    // What the next dense layer gets is a1, and what the relu says is the output of layer 1.
    let a1 = found("a1[1,2]");
    assert_eq!((a1.what.as_str(), a1.terms[0].factors[0].0.as_str()), ("a1[1,2]", "y1[1,2]"));
    assert_eq!(found("z2[1,2]").terms.len(), 6);
    assert_eq!(found("z2[1,2]").formula, "Σ_k a1[1,k] · W2[k,2] + b2[2]");
    assert_eq!(found("z1[0,1]").formula, "Σ_k x[0,k] · W1[k,1] + b1[1]");
    assert_eq!(found("dL/da1[1,2]").formula, "Σ_k dL/dz2[1,k] · W2[2,k]");
    assert!(found("dL/dz2[1,1]").formula.starts_with("(softmax(z2[1,·])[1] − 1) / 2"));
}

#[test]
fn what_there_is_not_is_refused_with_what_there_is() {
    let network = Network::new("4-5-relu-3", Init::He, 0).unwrap();
    let (loss, x) = (Loss::CrossEntropy(Reduction::Mean), batch(2, 4));
    for (text, reason) in [
        ("", "brackets"),
        ("W2", "brackets"),
        ("W2[1", "brackets"),
        ("[0,0]", "no name"),
        ("W3[0,0]", "no dense layer number 3"),
        ("W0[0,0]", "no dense layer number 0"),
        ("q1[0,0]", "one of W, b, z, a"),
        ("W1[0]", "two places"),
        ("W1[1 7,3]", "whole numbers"),
        ("W 1 2[0,0]", "a letter and a number"),
        ("dL/W1[0,0]", "dL/d"),
        ("b1[0,0]", "one place"),
        ("z1[0,-1]", "whole numbers"),
        ("z1[0,99999999999999999999]", "whole numbers"),
        ("2.wait[0,0]", "weight[out,in]"),
        ("x.weight[0,0]", "a layer is a whole number"),
        ("W1[4,0]", "4 × 5"),
        ("z1[2,0]", "2 × 5"),
        ("dL/da1[0,5]", "2 × 5"),
        ("1.weight[0,0]", "no parameters"),
        ("9.weight[0,0]", "layers 0 to 2"),
    ] {
        let found = Quantity::parse(text, &network)
            .and_then(|quantity| explain(&network, loss, &x, Targets::Classes(&[0, 1]), &quantity));
        let error = found.err().unwrap_or_else(|| panic!("{text}")).to_string();
        assert!(error.contains(reason) && error.contains("hint"), "{text}: {error}");
    }
}
