//! The bias of a dense layer: one number added to each column.

use super::Engine;
use super::dispatch::Kernel;
use super::pool::Parts;
use super::vector::Vector;
use crate::area;

/// Elements per task, about.
const TASK: usize = 1 << 14;

/// x (b,o) += bias (o)
pub fn add_bias(engine: &Engine, x: &mut [f32], bias: &[f32], [b, o]: [usize; 2]) {
    assert_eq!((x.len(), bias.len()), (area(b, o), o), "add_bias");
    let rows = (TASK / o.max(1)).max(1);
    let x = Parts::new(x);
    engine.pool.run(b.div_ceil(rows), &|task| {
        let rows = task * rows..b.min((task + 1) * rows);
        // SAFETY: these rows are this task's alone.
        let x = unsafe { x.part(rows.start * o, rows.len() * o) };
        engine.simd.run(AddBias { x, bias });
    });
}

struct AddBias<'a> {
    x: &'a mut [f32],
    bias: &'a [f32],
}

impl Kernel for AddBias<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        for row in self.x.chunks_mut(self.bias.len().max(1)) {
            for (x, bias) in row.chunks_mut(V::LANES).zip(self.bias.chunks(V::LANES)) {
                // SAFETY: both chunks are equally long, at most LANES, and the CPU has `V`.
                unsafe { V::load_some(x).add(V::load_some(bias)).store_some(x) }
            }
        }
    }
}

/// Columns per task.
const COLUMNS: usize = 128;

/// dbias (o) = the column sums of dx (b,o), rows in ascending order
pub fn add_bias_backward(engine: &Engine, dbias: &mut [f32], dx: &[f32], [b, o]: [usize; 2]) {
    assert_eq!((dbias.len(), dx.len()), (o, area(b, o)), "add_bias_backward");
    let columns = if b * o < TASK { o.max(1) } else { COLUMNS };
    let dbias = Parts::new(dbias);
    engine.pool.run(o.div_ceil(columns), &|task| {
        let first = task * columns;
        // SAFETY: these columns are this task's alone.
        let dbias = unsafe { dbias.part(first, columns.min(o - first)) };
        engine.simd.run(ColumnSums { dbias, dx, first, o });
    });
}

struct ColumnSums<'a> {
    dbias: &'a mut [f32],
    dx: &'a [f32],
    first: usize,
    o: usize,
}

impl Kernel for ColumnSums<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        for (c, sums) in self.dbias.chunks_mut(V::LANES).enumerate() {
            let (j, n) = (self.first + c * V::LANES, sums.len());
            // SAFETY: columns j..j + n exist in every row, and the CPU has `V`.
            unsafe {
                let mut acc = V::splat(0.0);
                for row in self.dx.chunks_exact(self.o) {
                    acc = acc.add(V::load_some(&row[j..j + n]));
                }
                acc.store_some(sums);
            }
        }
    }
}
