//! Week 2, activation functions: their values, their derivatives, and a sigmoid that cannot overflow.
#![allow(clippy::print_stdout)]

use glassbox::cpu::reference::{Activation, Real};
use glassbox::{Device, Result, Tensor};

fn main() -> Result<()> {
    let device = Device::Reference;
    let x: Vec<f32> = (-6..=6).map(|i| 0.5 * i as f32).collect();
    let x = Tensor::new(&[x.len()], x)?;
    let ones = Tensor::new(x.shape(), vec![1.0; x.len()])?;

    let kinds = [
        ("relu", Activation::Relu),
        ("leaky", Activation::LeakyRelu(0.1)),
        ("sigmoid", Activation::Sigmoid),
        ("tanh", Activation::Tanh),
        ("gelu", Activation::Gelu),
    ];
    let (mut values, mut slopes) = (Vec::new(), Vec::new());
    for (_, kind) in kinds {
        // Forward fills y = f(x); backward fills dx = dy · f′(x), and with dy = 1 that is f′(x).
        let (mut y, mut dx) = (Tensor::zeros(x.shape()), Tensor::zeros(x.shape()));
        device.activation(kind, &mut y, &x)?;
        device.activation_backward(kind, &mut dx, &ones, &x, &y)?;
        values.push(y);
        slopes.push(dx);
    }
    for (title, columns) in [("f(x)", &values), ("f′(x)", &slopes)] {
        println!("{title:>6} {}", kinds.map(|(name, _)| format!("{name:>9}")).concat());
        for (row, x) in x.data().iter().enumerate() {
            let cells = columns.iter().map(|column| format!("{:>9.4}", column.data()[row]));
            println!("{x:>6.1} {}", cells.collect::<String>());
        }
        println!();
    }

    // Both textbook formulas of the sigmoid fail at one end, where e^x is more than an f32 holds.
    // The definition takes the exponential of −|x|, which is at most 1.
    println!("{:>6} {:>16} {:>16} {:>16}", "x", "1 / (1 + e^-x)", "e^x / (1 + e^x)", "ours");
    for x in [-100.0f32, -90.0, -10.0, 0.0, 10.0, 90.0] {
        let (left, right) = (1.0 / (1.0 + Real::exp(-x)), Real::exp(x) / (1.0 + Real::exp(x)));
        println!("{x:>6.1} {left:>16.4e} {right:>16.4e} {:>16.4e}", x.sigmoid());
    }
    assert!(Real::sigmoid(-100.0f32) > 0.0 && Real::sigmoid(90.0f32) == 1.0);
    Ok(())
}
