//! Week 3, a dense layer: forward and backward by hand, checked by moving each weight a little.
#![allow(clippy::print_stdout)]

use glassbox::layers::Dense;
use glassbox::{Device, Layer, Pass, Result, Tensor};

fn main() -> Result<()> {
    // Two samples (rows) of three features, and a layer of two units: y (2,2) = x (2,3) · W (3,2) + b.
    let x = Tensor::new(&[2, 3], vec![1.0, 2.0, 3.0, -1.0, 0.5, 2.0])?;
    let mut layer = Dense::new(Tensor::new(&[3, 2], vec![0.5, -1.0, 0.25, 2.0, -0.5, 1.0])?)?;
    layer.parameters_mut()[1].value = Tensor::new(&[2], vec![0.1, -0.2])?;

    let pass = Pass { device: &Device::Reference, moment: None, layer: 0 };
    let mut y = Tensor::zeros(&[2, 2]);
    layer.forward(&pass, &mut y, &x)?;
    show("y = x·W + b", &y);

    // By hand, the first element: row 0 of x times column 0 of W, plus the first bias.
    let by_hand = 1.0 * 0.5 + 2.0 * 0.25 + 3.0 * -0.5 + 0.1;
    println!("by hand, y[0][0] = 1·0.5 + 2·0.25 + 3·(−0.5) + 0.1 = {by_hand:.2}\n");
    assert!((y.get(0) - by_hand).abs() < 1e-6);

    // Backward gets dy, how the loss changes with each output, and answers the same for all else:
    // dW = xᵀ·dy, db = the column sums of dy, dx = dy·Wᵀ.
    let dy = Tensor::new(&[2, 2], vec![1.0, -2.0, 0.5, 3.0])?;
    let mut dx = Tensor::zeros(&[2, 3]);
    layer.backward(&pass, Some(&mut dx), &dy, &x, &y)?;
    let gradients: Vec<Tensor> = layer.parameters().iter().map(|p| p.gradient.clone()).collect();
    show("dW = xᵀ·dy", &gradients[0]);
    show("db = column sums of dy", &gradients[1]);
    show("dx = dy·Wᵀ", &dx);

    // The check: a loss with these dy is Σ y·dy. Move one weight, look at the loss.
    let mut loss = |position: usize, index: usize, by: f64| -> Result<f64> {
        let kept = layer.parameters()[position].value.get(index);
        layer.parameters_mut()[position].value.set(index, kept + by);
        layer.forward(&pass, &mut y, &x)?;
        layer.parameters_mut()[position].value.set(index, kept);
        Ok(y.values().iter().zip(dy.values()).map(|(y, dy)| y * dy).sum())
    };
    for (position, name) in [(0, "W"), (1, "b")] {
        for index in 0..gradients[position].len() {
            let slope = (loss(position, index, 0.5)? - loss(position, index, -0.5)?) / 1.0;
            let backward = gradients[position].get(index);
            println!("{name}[{index}]: backward {backward:>6.2}, by moving it {slope:>6.2}");
            assert!((slope - backward).abs() < 1e-5);
        }
    }
    Ok(())
}

fn show(title: &str, matrix: &Tensor) {
    let columns = *matrix.shape().last().unwrap_or(&1);
    let rows: Vec<String> = matrix.data().chunks(columns).map(|row| format!("{row:.2?}")).collect();
    println!("{title}:\n  {}\n", rows.join("\n  "));
}
