//! Operations on all elements alike: the loop around them, once.

use super::Engine;
use super::dispatch::Kernel;
use super::pool::Parts;
use super::vector::Vector;

/// Elements per task, whatever the number of threads: a multiple of every register's width.
const TASK: usize = 1 << 14;

/// What happens to one element of each of `M` arrays that change and `N` that do not.
pub(crate) trait Elementwise<const M: usize, const N: usize>: Copy + Sync {
    /// The new elements from the old ones.
    ///
    /// # Safety
    /// The CPU has the instructions of `V`.
    unsafe fn apply<V: Vector>(self, changing: [V; M], fixed: [V; N]) -> [V; M];
}

/// Applies `f` to all elements.
///
/// # Panics
/// If the arrays differ in length.
pub(super) fn each<const M: usize, const N: usize, F: Elementwise<M, N>>(
    engine: &Engine,
    changing: [&mut [f32]; M],
    fixed: [&[f32]; N],
    f: F,
) {
    let len = changing[0].len();
    assert!(changing.iter().all(|x| x.len() == len) && fixed.iter().all(|x| x.len() == len));
    let changing = changing.map(Parts::new);
    engine.pool.run(len.div_ceil(TASK), &|task| {
        let start = task * TASK;
        let len = TASK.min(len - start);
        // SAFETY: these elements are this task's alone.
        let changing = changing.map(|x| unsafe { x.part(start, len) });
        let fixed = fixed.map(|x| &x[start..start + len]);
        engine.simd.run(Loop { changing, fixed, f, len });
    });
}

struct Loop<'a, const M: usize, const N: usize, F> {
    changing: [&'a mut [f32]; M],
    fixed: [&'a [f32]; N],
    f: F,
    len: usize,
}

impl<const M: usize, const N: usize, F: Elementwise<M, N>> Kernel for Loop<'_, M, N, F> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(mut self) {
        // SAFETY: all arrays have `len` elements, and the CPU has `V`.
        unsafe {
            for i in (0..self.len).step_by(V::LANES) {
                let chunk = i..self.len.min(i + V::LANES);
                let (mut changing, mut fixed) = ([V::splat(0.0); M], [V::splat(0.0); N]);
                for (register, x) in changing.iter_mut().zip(&self.changing) {
                    *register = V::load_some(&x[chunk.clone()]);
                }
                for (register, x) in fixed.iter_mut().zip(&self.fixed) {
                    *register = V::load_some(&x[chunk.clone()]);
                }
                let changed = self.f.apply(changing, fixed);
                for (register, x) in changed.into_iter().zip(&mut self.changing) {
                    register.store_some(&mut x[chunk.clone()]);
                }
            }
        }
    }
}
