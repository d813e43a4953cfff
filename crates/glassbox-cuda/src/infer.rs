//! The forward half, for many images in one call.

use crate::buffer::Buffer;
use crate::driver::Result;
use crate::engine::Engine;
use crate::ops;
use crate::train::Part;

/// Images that are on the device at a time.
const AT_ONCE: usize = 10_000;

/// out (b,o) = the outputs of a network for images `pixels` (b,i), bytes that are divided by 255. `arrays` are weight
/// (i,o) and bias (o) of each dense layer; nothing is dropped out.
///
/// # Panics
/// If a length does not fit.
pub fn infer(
    engine: &Engine,
    out: &mut [f32],
    pixels: &[u8],
    inputs: usize,
    parts: &[Part],
    arrays: &[&[f32]],
) -> Result<()> {
    let arrays = arrays.iter().map(|array| engine.upload(array)).collect::<Result<Vec<_>>>()?;
    let images = pixels.len() / inputs.max(1);
    assert!(inputs > 0 && pixels.len() == images * inputs, "whole images");
    let outputs = out.len().checked_div(images).unwrap_or(0);
    let chunks = pixels.chunks(AT_ONCE * inputs).zip(out.chunks_mut((AT_ONCE * outputs).max(1)));
    for (pixels, out) in chunks {
        let b = pixels.len() / inputs;
        let order: Vec<u32> = (0..b as u32).collect();
        let mut x = engine.buffer(pixels.len())?;
        ops::gather(engine, &mut x, &engine.upload(pixels)?, &engine.upload(&order)?, inputs)?;
        forward(engine, x, b, inputs, parts, &arrays)?.read(out)?;
    }
    Ok(())
}

/// The outputs (b,o) for inputs x (b,i).
fn forward(
    engine: &Engine,
    mut x: Buffer<f32>,
    b: usize,
    mut i: usize,
    parts: &[Part],
    arrays: &[Buffer<f32>],
) -> Result<Buffer<f32>> {
    let mut arrays = arrays.chunks_exact(2);
    for part in parts {
        let o = if let Part::Dense { outputs } = *part { outputs } else { i };
        let mut y = engine.buffer(b * o)?;
        match *part {
            Part::Dense { .. } => {
                let arrays = arrays.next().expect("weight and bias of each dense layer");
                ops::matmul(engine, &mut y, &x, &arrays[0], [b, i, o])?;
                ops::add_bias(engine, &mut y, &arrays[1], [b, o])?;
            }
            Part::Activation(kind) => ops::activation(engine, kind, &mut y, &x)?,
            Part::Dropout { .. } => y.copy_from(&x)?,
            Part::Softmax => ops::softmax(engine, &mut y, &x, [b, o])?,
            Part::LogSoftmax => ops::log_softmax(engine, &mut y, &x, [b, o])?,
        }
        (x, i) = (y, o);
    }
    Ok(x)
}
