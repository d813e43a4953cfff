//! The gradient check: every layer and loss passes at 1e-7, and a wrong backward is caught and named.

use glassbox::cpu::reference::philox::{Philox, Purpose};
use glassbox::layers::Dense;
use glassbox::{
    GradientCheck, Init, Layer, Loss, Network, Parameter, Pass, Reduction, Result, Targets, Tensor,
    check_gradients,
};

/// A matrix of random numbers from -1 to 1.
fn random(shape: [usize; 2], seed: u64) -> Tensor {
    let stream = Philox::new(seed, Purpose::Test, 1, 1);
    let numbers = (0..shape[0] * shape[1]).map(|i| 2.0 * stream.uniform(i as u64) - 1.0);
    Tensor::new(&shape, numbers.collect()).unwrap()
}

/// Both losses, both reductions.
fn every_loss(network: &Network, rows: usize, most: usize, seed: u64) -> Vec<GradientCheck> {
    let (inputs, outputs) = (network.input_width(), network.output_width());
    let (x, values) = (random([rows, inputs], seed), random([rows, outputs], seed + 1));
    let labels: Vec<u32> = (0..rows as u32).map(|row| row % outputs as u32).collect();
    let check = |loss, targets| check_gradients(network, loss, &x, targets, most, seed).unwrap();
    let both = [Reduction::Mean, Reduction::Sum].into_iter();
    both.flat_map(|reduction| {
        [
            check(Loss::CrossEntropy(reduction), Targets::Classes(&labels)),
            check(Loss::MeanSquaredError(reduction), Targets::Values(&values)),
        ]
    })
    .collect()
}

/// All gradients of a network are right, and kinks are rare enough to have proven something.
fn check(text: &str, rows: usize, most: usize) {
    for seed in 0..2 {
        let network = Network::new(text, Init::Xavier, seed).unwrap();
        for found in every_loss(&network, rows, most, seed) {
            assert!(found.passed() && found.worst.error <= 1e-7, "{text} of {rows}: {found}");
            assert!(found.checked > 10 * found.kinks, "{text} of {rows}: {found}");
        }
    }
}

#[test]
fn every_layer_on_odd_shapes() {
    for activation in [
        "relu",
        "leaky0.1",
        "leaky",
        "sigmoid",
        "tanh",
        "gelu",
        "softmax",
        "logsoftmax",
        "dropout0.3",
        "dropout0.0",
    ] {
        for (inputs, width, outputs, rows) in [(1, 3, 2, 1), (5, 7, 3, 4), (17, 9, 11, 5)] {
            check(&format!("{inputs}-{width}-{activation}-{outputs}"), rows, 40);
        }
        check(&format!("6-{activation}-5-{activation}"), 3, 40);
    }
    check("3-4", 2, 40);
    check("13-11-relu-7-tanh-dropout0.2-5-gelu-3-sigmoid-2-leaky0.2", 7, 40);
}

#[test]
fn the_headline_network() {
    check("784-128-relu-10", 3, 12);
}

/// What can be wrong with a backward.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// One element of the weight's gradient is this many times what it should be.
    Times(usize, f64),
    /// The bias is forgotten.
    Bias,
    /// What goes to the layer before is twice what it should be.
    Input,
}

/// A dense layer whose backward has a fault.
#[derive(Clone)]
struct Faulty(Dense, Fault);

impl Layer for Faulty {
    fn text(&self) -> String {
        self.0.text()
    }

    fn width(&self, input: usize) -> usize {
        self.0.width(input)
    }

    fn forward(&self, pass: &Pass, y: &mut Tensor, x: &Tensor) -> Result<()> {
        self.0.forward(pass, y, x)
    }

    fn backward(
        &mut self,
        pass: &Pass,
        mut dx: Option<&mut Tensor>,
        dy: &Tensor,
        x: &Tensor,
        y: &Tensor,
    ) -> Result<()> {
        self.0.backward(pass, dx.as_deref_mut(), dy, x, y)?;
        let [weight, bias] = self.0.parameters_mut() else { unreachable!("a dense layer has two") };
        let change = |tensor: &mut Tensor, i, factor: f64| tensor.set(i, tensor.get(i) * factor);
        match self.1 {
            Fault::Times(i, factor) => change(&mut weight.gradient, i, factor),
            Fault::Bias => {
                (0..bias.gradient.len()).for_each(|i| change(&mut bias.gradient, i, 0.0))
            }
            Fault::Input => {
                dx.into_iter().for_each(|dx| (0..dx.len()).for_each(|i| change(dx, i, 2.0)));
            }
        }
        Ok(())
    }

    fn parameters(&self) -> &[Parameter] {
        self.0.parameters()
    }

    fn parameters_mut(&mut self) -> &mut [Parameter] {
        self.0.parameters_mut()
    }

    fn boxed_clone(&self) -> Box<dyn Layer> {
        Box::new(self.clone())
    }
}

#[test]
fn a_wrong_backward_is_caught_and_its_worst_element_named() {
    for (fault, parameter, index) in [
        (Fault::Times(0, -1.0), "2.weight", Some(vec![0, 0])),
        (Fault::Times(7, -1.0), "2.weight", Some(vec![2, 1])),
        (Fault::Times(11, 1.000001), "2.weight", Some(vec![3, 2])),
        (Fault::Times(13, f64::NAN), "2.weight", Some(vec![4, 1])),
        (Fault::Bias, "2.bias", None),
        (Fault::Input, "0.", None),
    ] {
        let mut layers: Vec<Box<dyn Layer>> = Network::new("4-5-tanh-3", Init::Xavier, 0)
            .unwrap()
            .layers()
            .iter()
            .map(|layer| layer.boxed_clone())
            .collect();
        layers[2] = Box::new(Faulty(Dense::new(random([5, 3], 9)).unwrap(), fault));
        let network = Network::from_layers(4, layers).unwrap();
        for found in every_loss(&network, 3, 100, 0) {
            assert!(!found.passed(), "{fault:?}: {found}");
            assert!(found.worst.parameter.starts_with(parameter), "{fault:?}: {found}");
            assert!(index.iter().all(|index| *index == found.worst.index), "{fault:?}: {found}");
            let text = found.to_string();
            assert!(text.contains("WRONG") && text.contains(parameter), "{text}");
        }
    }
}

/// A batch of four for a classifier, with the cross-entropy.
fn check_classifier(
    network: &Network,
    reduction: Reduction,
    most: usize,
    seed: u64,
) -> GradientCheck {
    let x = random([4, network.input_width()], seed);
    let labels: Vec<u32> = (0..4).map(|row| row % network.output_width() as u32).collect();
    let (loss, targets) = (Loss::CrossEntropy(reduction), Targets::Classes(&labels));
    check_gradients(network, loss, &x, targets, most, seed).unwrap()
}

/// Behind a softmax of hundreds, gradients are so small that differences know four digits of them.
#[test]
fn rounding_is_no_error() {
    for text in ["5-300-softmax", "5-300-softmax-relu-logsoftmax", "200-100-softmax-99-softmax-10"]
    {
        for (seed, reduction) in (0..2).flat_map(|s| [(s, Reduction::Mean), (s, Reduction::Sum)]) {
            let network = Network::new(text, Init::Xavier, seed).unwrap();
            let found = check_classifier(&network, reduction, 64, seed);
            assert!(found.passed() && found.faint > 0, "{text}, seed {seed}: {found}");
        }
    }
}

/// What rounding excuses is far less than a small gradient is large.
#[test]
fn a_small_gradient_that_is_a_little_wrong_is_caught() {
    for (factor, seed) in [(1.001, 0), (0.999, 1), (-1.0, 2), (0.0, 3)] {
        let network = Network::new("5-300-softmax", Init::Xavier, seed).unwrap();
        let weight = network.parameters().next().unwrap().1.value.clone();
        let index = 150 + 260 * seed as usize;
        let faulty = Faulty(Dense::new(weight).unwrap(), Fault::Times(index, factor));
        let softmax = network.layers()[1].boxed_clone();
        let network = Network::from_layers(5, vec![Box::new(faulty), softmax]).unwrap();
        for reduction in [Reduction::Mean, Reduction::Sum] {
            let found = check_classifier(&network, reduction, 1500, seed);
            assert!(!found.passed(), "{factor}, seed {seed}: {found}");
            assert_eq!(found.worst.index, [index / 300, index % 300], "{found}");
            assert!(found.worst.difference.abs() < 1e-4, "not a small one: {found}");
        }
    }
}
