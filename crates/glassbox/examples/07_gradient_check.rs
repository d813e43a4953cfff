//! The gradient check: every backward against the loss itself, and a wrong one that is caught.
#![allow(clippy::print_stdout)]

use glassbox::cpu::reference::{Activation, fill_uniform, philox::Philox, philox::Purpose};
use glassbox::layers::{ActivationLayer, Dense};
use glassbox::{Init, Layer, Loss, Network, Pass, Reduction, Result, Targets, Tensor};

/// A tanh whose backward says 1 − y where it should say 1 − y².
#[derive(Clone)]
struct WrongTanh;

impl Layer for WrongTanh {
    fn text(&self) -> String {
        "wrong-tanh".to_string()
    }
    fn forward(&self, pass: &Pass, y: &mut Tensor, x: &Tensor) -> Result<()> {
        ActivationLayer(Activation::Tanh).forward(pass, y, x)
    }
    fn backward(
        &mut self,
        _: &Pass,
        dx: Option<&mut Tensor>,
        dy: &Tensor,
        _: &Tensor,
        y: &Tensor,
    ) -> Result<()> {
        let Some(dx) = dx else { return Ok(()) };
        (0..y.len()).for_each(|i| dx.set(i, dy.get(i) * (1.0 - y.get(i))));
        Ok(())
    }
    fn boxed_clone(&self) -> Box<dyn Layer> {
        Box::new(self.clone())
    }
}

fn main() -> Result<()> {
    let mut numbers = vec![0.0; 7 * 5];
    fill_uniform(&mut numbers, 1.0, Philox::new(0, Purpose::Test, 0, 0));
    let x = Tensor::new(&[7, 5], numbers)?;
    let labels = [0, 1, 2, 0, 1, 2, 0];
    let check = |network: &Network| {
        let (loss, targets) = (Loss::CrossEntropy(Reduction::Mean), Targets::Classes(&labels));
        glassbox::check_gradients(network, loss, &x, targets, 1000, 0)
    };
    for text in ["5-9-relu-3", "5-9-sigmoid-3", "5-9-gelu-dropout0.3-3", "5-4-tanh-3-logsoftmax"] {
        let found = check(&Network::new(text, Init::Xavier, 0)?)?;
        println!("{text}: {} gradients, worst error {:.1e}", found.checked, found.worst.error);
        assert!(found.passed(), "{found}");
    }
    let dense = |sides, layer| Dense::new(Init::Xavier.weight(sides, 0, layer));
    let (first, last) = (dense([5, 9], 0)?, dense([9, 3], 2)?);
    let wrong =
        Network::from_layers(5, vec![Box::new(first), Box::new(WrongTanh), Box::new(last)])?;
    let found = check(&wrong)?;
    println!("\n{wrong}: {found}");
    assert!(!found.passed(), "a wrong gradient was not caught");
    Ok(())
}
