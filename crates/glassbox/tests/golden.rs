//! Numbers recorded from PyTorch (golden/*.json, by tools/golden.py): a network's step and ten more,
//! optimizers, activations, losses, on the definition and on the fast engine.

use glassbox::cpu::reference::Activation;
use glassbox::file::NamedArray;
use glassbox::{Device, Init, Loss, Network, Optimizer, Reduction, Rule, Targets, Tensor};
use serde_json::Value;

const BATCH: usize = 64;
const INPUTS: usize = 784;
const HIDDEN: usize = 128;
const CLASSES: usize = 10;

/// |ours − truth| ≤ this · scale, where the scale is Σ|a||b| over the products in the number.
const TOLERANCE: f64 = 1e-5;
/// The optimizers', as their file says.
const OPTIMIZER_TOLERANCE: f64 = 1e-6;

fn devices() -> [Device; 2] {
    [Device::Reference, Device::cpu(Some(2)).unwrap()]
}

fn golden(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn list(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(items) => items.iter().flat_map(list).collect(),
        number => vec![number.as_f64().unwrap()],
    }
}

fn tensor(shape: &[usize], value: &Value) -> Tensor {
    Tensor::new(shape, list(value).into_iter().map(|x| x as f32).collect()).unwrap()
}

/// Compares numbers with a record, element by element.
fn check(name: &str, found: &[f64], record: &Value, tolerance: f64) {
    let (truth, scale) = (list(&record["f64"]), list(&record["scale"]));
    assert!(!truth.is_empty() && truth.len() == scale.len(), "{name}: the record is broken");
    assert_eq!(found.len(), truth.len(), "{name}: how many numbers there are");
    for (i, (found, (truth, scale))) in found.iter().zip(truth.iter().zip(&scale)).enumerate() {
        let error = (found - truth).abs() / scale.max(1e-300);
        assert!(
            error <= tolerance,
            "{name}[{i}]: {found}, not {truth}: {error:.1e} of {scale:.1e}"
        );
    }
}

// The inputs and first weights of mlp.json, by its integer formulas.

fn hash(stream: u32, i: usize) -> u32 {
    let mut h = (i as u32).wrapping_add(stream.wrapping_mul(0x9E37_79B9));
    h = (h ^ (h >> 16)).wrapping_mul(0x85EB_CA6B);
    h = (h ^ (h >> 13)).wrapping_mul(0xC2B2_AE35);
    h ^ (h >> 16)
}

fn pixel(i: usize) -> u32 {
    let h = hash(1, i);
    if h.is_multiple_of(5) { 1 + (h >> 8) % 255 } else { 0 }
}

fn numerator(stream: u32, i: usize) -> i32 {
    (hash(stream, i) >> 12) as i32 - 524_288
}

fn batch(step: usize) -> (Tensor, Vec<u32>) {
    let pixels = (0..BATCH * INPUTS).map(|i| pixel(step * BATCH * INPUTS + i) as f32 / 255.0);
    let labels = (0..BATCH).map(|row| ((7 * row + 3 * step) % CLASSES) as u32);
    (Tensor::new(&[BATCH, INPUTS], pixels.collect()).unwrap(), labels.collect())
}

fn network() -> Network {
    let array = |name: &str, stream: u32, factor: i32, power: i32, shape: &[usize]| {
        let number = |i| (factor * numerator(stream, i)) as f32 / 2f32.powi(power);
        NamedArray::new(name, shape, (0..shape.iter().product()).map(number).collect())
    };
    let mut network = Network::new("784-128-relu-10", Init::Zero, 0).unwrap();
    let state = [
        array("0.weight", 2, 9, 27, &[HIDDEN, INPUTS]),
        array("0.bias", 3, 9, 27, &[HIDDEN]),
        array("2.weight", 4, 11, 26, &[CLASSES, HIDDEN]),
        array("2.bias", 5, 11, 26, &[CLASSES]),
    ];
    network.load_state(&state).unwrap();
    network
}

#[test]
fn the_inputs_are_those_of_the_record() {
    let record = &golden(include_str!("golden/mlp.json"))["check_of_the_formula"];
    let pixels: Vec<u32> = (0..10 * BATCH * INPUTS).map(pixel).collect();
    assert_eq!(pixels.iter().filter(|&&k| k > 0).count() as u64, record["x_nonzero"]);
    assert_eq!(pixels.iter().map(|&k| u64::from(k)).sum::<u64>(), record["x_sum_of_k"]);
    let first: Vec<f64> = pixels[..100].iter().map(|&k| k.into()).collect();
    assert_eq!(first, list(&record["x_first_100_k"]));
    let sizes = [("w1", 2, HIDDEN * INPUTS), ("b1", 3, HIDDEN), ("w2", 4, CLASSES * HIDDEN)];
    for (name, stream, count) in sizes.into_iter().chain([("b2", 5, CLASSES)]) {
        let sum: i64 = (0..count).map(|i| i64::from(numerator(stream, i))).sum();
        assert_eq!(sum, record[format!("{name}_sum_of_n")], "{name}");
    }
}

/// Rows of a parameter's gradient or value, (i,o) here, so a row here is a column of PyTorch's.
fn rows(tensor: &Tensor, rows: &[usize]) -> Vec<f64> {
    let width = tensor.shape()[1];
    rows.iter().flat_map(|row| tensor.values()[row * width..][..width].to_vec()).collect()
}

/// PyTorch's order, (o,i).
fn turned(tensor: &Tensor) -> Vec<f64> {
    let [rows, columns] = tensor.matrix("turned").unwrap();
    let element = |at: usize| tensor.get(at % rows * columns + at / rows);
    (0..rows * columns).map(element).collect()
}

#[test]
fn a_step_of_the_headline_network() {
    let golden = golden(include_str!("golden/mlp.json"));
    let columns: Vec<usize> = list(&golden["columns"]).iter().map(|&c| c as usize).collect();
    for device in devices() {
        let (mut network, (x, labels)) = (network(), batch(0));
        let targets = Targets::Classes(&labels);
        let logits = network.forward(&device, &x).unwrap().values();
        let check = |name: &str, found: &[f64]| {
            check(&format!("{device:?} {name}"), found, &golden[name], TOLERANCE);
        };
        check("logits", &logits);
        let sum = Loss::CrossEntropy(Reduction::Sum);
        check("loss_sum", &[network.backward(&device, sum, &x, targets, None).unwrap()]);
        let mean = Loss::CrossEntropy(Reduction::Mean);
        check("loss_mean", &[network.backward(&device, mean, &x, targets, None).unwrap()]);

        let gradients: Vec<Tensor> =
            network.parameters().map(|(_, p)| p.gradient.clone()).collect();
        let [dw1, db1, dw2, db2] = &gradients[..] else { panic!("two dense layers") };
        check("dw1_columns", &rows(dw1, &columns));
        let all = dw1.values();
        let of_unit = |unit| all.iter().skip(unit).step_by(HIDDEN).sum();
        check("dw1_sum_over_inputs", &(0..HIDDEN).map(of_unit).collect::<Vec<f64>>());
        let of_input = |row: &[f64]| row.iter().sum();
        check("dw1_sum_over_units", &all.chunks(HIDDEN).map(of_input).collect::<Vec<f64>>());
        check("db1", &db1.values());
        check("dw2", &turned(dw2));
        check("db2", &db2.values());
    }
}

#[test]
fn ten_steps_of_the_headline_network() {
    let golden = golden(include_str!("golden/mlp.json"));
    let columns: Vec<usize> = list(&golden["columns"]).iter().map(|&c| c as usize).collect();
    let ten = &golden["ten_steps"];
    let rate = ten["rate"].as_f64().unwrap() as f32;
    for device in devices() {
        let mut network = network();
        let mut optimizer = Optimizer::new(Rule::Sgd, 0.0, &network);
        let mut losses = Vec::new();
        for step in 0..10 {
            let (x, labels) = batch(step);
            let (loss, targets) = (Loss::CrossEntropy(Reduction::Mean), Targets::Classes(&labels));
            network.forward(&device, &x).unwrap();
            losses.push(network.backward(&device, loss, &x, targets, None).unwrap());
            optimizer.step(&device, &mut network, rate).unwrap();
        }
        let check = |name: &str, found: &[f64]| {
            check(&format!("{device:?} {name}"), found, &ten[name], TOLERANCE);
        };
        check("losses", &losses);
        let values: Vec<Tensor> = network.parameters().map(|(_, p)| p.value.clone()).collect();
        let [w1, b1, w2, b2] = &values[..] else { panic!("two dense layers") };
        check("final_w1_columns", &rows(w1, &columns));
        check("final_b1", &b1.values());
        check("final_w2_class_0", &turned(w2)[..HIDDEN]);
        check("final_b2", &b2.values());
    }
}

/// The rule that PyTorch's settings stand for, its weight decay and its learning rate.
fn rule(name: &str, settings: &Value) -> (Rule, f32, f32) {
    let number = |name: &str| settings[name].as_f64().unwrap() as f32;
    let rule = match name {
        "sgd" => Rule::Sgd,
        "momentum" => Rule::Momentum { momentum: number("momentum") },
        "nesterov" => Rule::Nesterov { momentum: number("momentum") },
        _ => {
            let betas = list(&settings["betas"]);
            let (betas, epsilon) = ([betas[0] as f32, betas[1] as f32], number("eps"));
            match name {
                "adam" => Rule::Adam { betas, epsilon },
                "adamw" => Rule::AdamW { betas, epsilon },
                _ => panic!("no rule for {name}"),
            }
        }
    };
    // By default it is what PyTorch's default is; the name alone gives the same rule.
    assert_eq!(Rule::named(name).unwrap(), rule);
    let decay = settings.get("weight_decay").map_or(0.0, |decay| decay.as_f64().unwrap() as f32);
    (rule, decay, number("lr"))
}

#[test]
fn the_optimizers() {
    let golden = golden(include_str!("golden/optimizers.json"));
    let cases = golden["optimizers"].as_array().unwrap();
    assert_eq!(cases.len(), 5);
    for (device, case) in devices().iter().flat_map(|d| cases.iter().map(move |case| (d, case))) {
        let name = case["name"].as_str().unwrap();
        let (rule, decay, lr) = rule(name, &case["settings"]);
        // The bias of a dense layer is a vector to be changed.
        let mut network = Network::new("1-7", Init::Zero, 0).unwrap();
        let bias = |network: &mut Network, change: &dyn Fn(&mut glassbox::Parameter)| {
            change(network.parameters_mut().nth(1).unwrap());
        };
        bias(&mut network, &|bias| bias.value = tensor(&[7], &golden["start"]));
        let mut optimizer = Optimizer::new(rule, decay, &network);
        let mut after = Vec::new();
        for gradient in golden["gradients"].as_array().unwrap() {
            bias(&mut network, &|bias| bias.gradient = tensor(&[7], gradient));
            optimizer.step(device, &mut network, lr).unwrap();
            after.extend(network.parameters().nth(1).unwrap().1.value.values());
        }
        check(&format!("{device:?} {name}"), &after, &case["after"], OPTIMIZER_TOLERANCE);
    }
}

#[test]
fn the_activations() {
    let golden = golden(include_str!("golden/activations.json"));
    let shape = [1, golden["x"].as_array().unwrap().len()];
    let (x, dy) = (tensor(&shape, &golden["x"]), tensor(&shape, &golden["dy"]));
    let cases = golden["elementwise"].as_array().unwrap();
    assert_eq!(cases.len(), 5);
    for (device, case) in devices().iter().flat_map(|d| cases.iter().map(move |case| (d, case))) {
        let name = case["name"].as_str().unwrap();
        let kind = match name {
            "relu" => Activation::Relu,
            "leaky_relu" => Activation::LeakyRelu(0.01),
            "sigmoid" => Activation::Sigmoid,
            "tanh" => Activation::Tanh,
            "gelu_tanh" => Activation::Gelu,
            _ => panic!("no activation for {name}"),
        };
        let (mut y, mut dx) = (Tensor::zeros(&shape), Tensor::zeros(&shape));
        device.activation(kind, &mut y, &x).unwrap();
        device.activation_backward(kind, &mut dx, &dy, &x, &y).unwrap();
        check(&format!("{device:?} {name} y"), &y.values(), &case["y"], TOLERANCE);
        check(&format!("{device:?} {name} dx"), &dx.values(), &case["dx"], TOLERANCE);
    }
}

#[test]
fn softmax_and_log_softmax() {
    let golden = golden(include_str!("golden/activations.json"));
    let (x, dy) = (tensor(&[5, 7], &golden["rows_x"]), tensor(&[5, 7], &golden["rows_dy"]));
    let cases = golden["by_row"].as_array().unwrap();
    assert_eq!(cases.len(), 2);
    for (device, case) in devices().iter().flat_map(|d| cases.iter().map(move |case| (d, case))) {
        let name = case["name"].as_str().unwrap();
        let (mut y, mut dx) = (Tensor::zeros(&[5, 7]), Tensor::zeros(&[5, 7]));
        if name == "softmax" {
            device.softmax(&mut y, &x).unwrap();
            device.softmax_backward(&mut dx, &dy, &y).unwrap();
        } else {
            device.log_softmax(&mut y, &x).unwrap();
            device.log_softmax_backward(&mut dx, &dy, &y).unwrap();
        }
        check(&format!("{device:?} {name} y"), &y.values(), &case["y"], TOLERANCE);
        check(&format!("{device:?} {name} dx"), &dx.values(), &case["dx"], TOLERANCE);
    }
}

#[test]
fn the_losses() {
    let golden = golden(include_str!("golden/losses.json"));
    let (x, values) = (tensor(&[5, 7], &golden["x"]), tensor(&[5, 7], &golden["target"]));
    let labels: Vec<u32> = list(&golden["labels"]).iter().map(|&label| label as u32).collect();
    let cases = golden["losses"].as_array().unwrap();
    assert_eq!(cases.len(), 4);
    for (device, case) in devices().iter().flat_map(|d| cases.iter().map(move |case| (d, case))) {
        let name = format!("{device:?} {} {}", case["name"], case["reduction"]);
        let reduction = if case["reduction"] == "mean" { Reduction::Mean } else { Reduction::Sum };
        let (loss, targets) = if case["name"] == "mse" {
            (Loss::MeanSquaredError(reduction), Targets::Values(&values))
        } else {
            (Loss::CrossEntropy(reduction), Targets::Classes(&labels))
        };
        let mut dx = Tensor::zeros(&[5, 7]);
        let value = loss.forward(device, &x, targets).unwrap();
        loss.backward(device, &mut dx, &x, targets).unwrap();
        check(&name, &[value], &case["loss"], TOLERANCE);
        check(&format!("{name} dx"), &dx.values(), &case["dx"], TOLERANCE);
    }
}
