//! Several registers side by side.

use super::Vector;

/// C registers side by side.
///
/// # Safety
/// They are readable and the CPU has `V`.
#[inline(always)]
pub(crate) unsafe fn load<V: Vector, const C: usize>(p: *const f32) -> [V; C] {
    // Not `from_fn`: what is called through a closure may not be compiled for the instructions of `V`.
    // SAFETY: promised by the caller.
    unsafe {
        let mut registers = [V::splat(0.0); C];
        for c in 0..C {
            registers[c] = V::load(p.add(c * V::LANES));
        }
        registers
    }
}

/// Writes C registers side by side.
///
/// # Safety
/// They are writable and the CPU has `V`.
#[inline(always)]
pub(crate) unsafe fn store<V: Vector, const C: usize>(registers: [V; C], p: *mut f32) {
    for (c, register) in registers.into_iter().enumerate() {
        // SAFETY: promised by the caller.
        unsafe { register.store(p.add(c * V::LANES)) }
    }
}

/// acc + x · the C registers at `p`, each rounded once.
///
/// # Safety
/// They are readable and the CPU has `V`.
#[inline(always)]
pub(crate) unsafe fn multiply_add<V: Vector, const C: usize>(
    x: V,
    p: *const f32,
    mut acc: [V; C],
) -> [V; C] {
    for (c, acc) in acc.iter_mut().enumerate() {
        // SAFETY: promised by the caller.
        unsafe { *acc = x.mul_add(V::load(p.add(c * V::LANES)), *acc) }
    }
    acc
}
