//! Between data and numbers: pixels become inputs, outputs become decisions.

use super::Engine;
use super::dispatch::Kernel;
use super::pool::Parts;
use super::vector::{SCALED, Vector};
use crate::area;
use crate::reference;

/// Rows per task.
const ROWS: usize = 16;

/// out (b,i) = the rows `order` (b) of pixels (n,i), divided by 255
///
/// # Panics
/// If an index is out of range.
pub fn gather(engine: &Engine, out: &mut [f32], pixels: &[u8], order: &[u32], i: usize) {
    assert_eq!(out.len(), area(order.len(), i), "gather");
    let out = Parts::new(out);
    engine.pool.run(order.len().div_ceil(ROWS), &|task| {
        for row in task * ROWS..order.len().min((task + 1) * ROWS) {
            // SAFETY: this row is this task's alone.
            let out = unsafe { out.part(row * i, i) };
            let pixels = &pixels[order[row] as usize * i..][..i];
            engine.simd().run(Scale { out, pixels });
        }
    });
}

/// out (n) = pixels (n) divided by 255
pub(crate) struct Scale<'a> {
    pub out: &'a mut [f32],
    pub pixels: &'a [u8],
}

impl Kernel for Scale<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Scale { out, pixels } = self;
        assert_eq!(out.len(), pixels.len());
        let whole = out.len() - out.len() % V::LANES;
        for start in (0..whole).step_by(V::LANES) {
            // SAFETY: both have a register's numbers from there on, and the CPU has `V`.
            unsafe {
                V::load_bytes(pixels.as_ptr().add(start)).store(out.as_mut_ptr().add(start));
            }
        }
        for (out, &pixel) in out[whole..].iter_mut().zip(&pixels[whole..]) {
            *out = SCALED[usize::from(pixel)];
        }
    }
}

/// out (b) = the column of the largest element in each row of x (b,o)
pub fn argmax(_: &Engine, out: &mut [u32], x: &[f32], [b, o]: [usize; 2]) {
    reference::argmax(out, x, [b, o]);
}
