//! Bytes as numbers.

use super::Vector;

/// Every pixel's value, divided once.
pub(crate) static SCALED: [f32; 256] = {
    let mut table = [0.0; 256];
    let mut pixel = 0;
    while pixel < 256 {
        table[pixel] = pixel as f32 / 255.0;
        pixel += 1;
    }
    table
};

/// 1/255, and what it lacks: with both, a byte divided by 255 is rounded as a division rounds it.
#[cfg(target_arch = "x86_64")]
pub(super) const INVERSE: f32 = 1.0 / 255.0;
#[cfg(target_arch = "x86_64")]
pub(super) const INVERSE_LOW: f32 = (1.0 / 255.0 - INVERSE as f64) as f32;

/// Four bytes at `p`, looked up: how registers get them that cannot compress.
///
/// # Safety
/// The bytes exist, and the CPU has the instructions of `V`.
#[inline(always)]
pub(super) unsafe fn look_up<V: Vector>(p: *const u8, places: [usize; 4]) -> [V; 4] {
    // SAFETY: promised by the caller.
    unsafe {
        let x = |place: usize| SCALED[usize::from(*p.add(place))];
        [
            V::splat(x(places[0])),
            V::splat(x(places[1])),
            V::splat(x(places[2])),
            V::splat(x(places[3])),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fast::dispatch::{Kernel, Simd};

    /// All bytes as numbers, by both ways there are.
    struct Bytes;

    impl Kernel for Bytes {
        type Output = [Vec<f32>; 2];

        #[inline(always)]
        unsafe fn run<V: Vector>(self) -> [Vec<f32>; 2] {
            let bytes: Vec<u8> = (0..=255).collect();
            let (mut loaded, mut taken) = (vec![0.0; 256], vec![0.0; 256]);
            // SAFETY: what is read and written exists, and the CPU has `V`.
            unsafe {
                for start in (0..256).step_by(V::LANES) {
                    V::load_bytes(bytes.as_ptr().add(start)).store(loaded.as_mut_ptr().add(start));
                }
                // Every third place, then what is left, so that the bits have gaps of several widths.
                let third = (0..64).step_by(3).fold(0, |bits, place| bits | 1u64 << place);
                for start in (0..256).step_by(64) {
                    for bits in [third & !1 & !(1 << 63), !third | 1 | 1 << 63] {
                        let mut pixels = V::pixels(bytes.as_ptr().add(start), bits);
                        let places: Vec<_> =
                            (0..64).filter(|place| bits >> place & 1 == 1).collect();
                        for places in places.chunks_exact(4) {
                            let places = [places[0], places[1], places[2], places[3]];
                            for (q, x) in V::quad(&mut pixels, places).into_iter().enumerate() {
                                let mut lanes = [0.0; 16];
                                x.store(lanes.as_mut_ptr());
                                assert!(lanes[..V::LANES].iter().all(|lane| *lane == lanes[0]));
                                taken[start + places[q]] = lanes[0];
                            }
                        }
                    }
                }
            }
            [loaded, taken]
        }
    }

    #[test]
    fn bytes_are_divided_as_a_division_rounds() {
        let expected: Vec<f32> = (0..=255).map(|byte| byte as f32 / 255.0).collect();
        for simd in Simd::available().into_iter().chain([Simd::portable_wide()]) {
            let [loaded, taken] = simd.run(Bytes);
            assert_eq!(loaded, expected, "{simd}");
            assert_eq!(taken, expected, "{simd}");
        }
    }
}
