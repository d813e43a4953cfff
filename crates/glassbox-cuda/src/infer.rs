//! The forward half, for many images in one call.

use crate::buffer::Buffer;
use crate::driver::Result;
use crate::engine::Engine;
use crate::inputs::Inputs;
use crate::ops::{self, area};
use crate::train::{Part, width};

/// Rows that are on the device at a time.
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
    let fetch = |x: &mut Buffer<f32>, first: usize| {
        let order: Vec<u32> = (0..(x.len() / inputs) as u32).collect();
        let pixels = engine.upload(&pixels[first..][..x.len()])?;
        ops::gather(engine, x, &pixels, &engine.upload(&order)?, inputs)
    };
    in_turn(engine, out, pixels.len(), inputs, parts, arrays, fetch)
}

/// The same for numbers `x` (b,i), which are taken as they are.
///
/// # Errors
/// As [`Buffer::write_inputs`], beside what else the device reports.
///
/// # Panics
/// If a length does not fit.
pub fn infer_numbers(
    engine: &Engine,
    out: &mut [f32],
    x: Inputs,
    inputs: usize,
    parts: &[Part],
    arrays: &[&[f32]],
) -> Result<()> {
    x.check(engine.context())?;
    let fetch = |to: &mut Buffer<f32>, first: usize| to.write_inputs(x.part(first, to.len()));
    in_turn(engine, out, x.len(), inputs, parts, arrays, fetch)
}

/// Goes through `count` inputs. `fetch` fills a buffer with those from a place on.
fn in_turn(
    engine: &Engine,
    out: &mut [f32],
    count: usize,
    inputs: usize,
    parts: &[Part],
    arrays: &[&[f32]],
    fetch: impl Fn(&mut Buffer<f32>, usize) -> Result<()>,
) -> Result<()> {
    let arrays = arrays.iter().map(|array| engine.upload(array)).collect::<Result<Vec<_>>>()?;
    let rows = count / inputs.max(1);
    assert!(inputs > 0 && count == rows * inputs, "whole rows");
    let outputs = width(inputs, parts);
    assert_eq!(out.len(), area(rows, outputs), "outputs");
    let firsts = (0..rows).step_by(AT_ONCE);
    for (first, out) in firsts.zip(out.chunks_mut((AT_ONCE * outputs).max(1))) {
        let b = AT_ONCE.min(rows - first);
        let mut x = engine.buffer(b * inputs)?;
        fetch(&mut x, first * inputs)?;
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
