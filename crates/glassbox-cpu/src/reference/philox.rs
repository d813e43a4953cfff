//! Philox4x32-10: random numbers as a pure function of a key and a counter.
//!
//! There is no generator to advance. Which number an element gets depends on the seed, on what the
//! number is for, and on where in the training it is needed, and on nothing else: not on threads,
//! on the device, or on whether the run was resumed.
//!
//! Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC11.

/// What a random number is for. Different purposes never share a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Purpose {
    /// The order of the samples within an epoch.
    Shuffle = 1,
    /// Initial weights.
    Init = 2,
    /// Dropout masks.
    Dropout = 3,
    /// The split into training and validation samples.
    Split = 4,
    /// The built-in `digits` data set.
    Digits = 5,
    /// Inputs made for tests and gradient checks.
    Test = 7,
}

/// A stream of random numbers: one for each (seed, purpose, epoch, step).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Philox {
    key: [u32; 2],
    /// Counter words 1 to 3: step, epoch, purpose. Word 0 counts blocks of four numbers.
    stream: [u32; 3],
}

impl Philox {
    /// The stream for `purpose`; `epoch` and `step` tell apart its uses within a run.
    pub fn new(seed: u64, purpose: Purpose, epoch: u32, step: u32) -> Philox {
        Philox { key: [seed as u32, (seed >> 32) as u32], stream: [step, epoch, purpose as u32] }
    }

    /// The words of the key, and words 1 to 3 of the counter: what a stream is on another device.
    pub fn words(&self) -> ([u32; 2], [u32; 3]) {
        (self.key, self.stream)
    }

    /// Element `index` of the stream: a uniform 32-bit number.
    pub fn bits(&self, index: u64) -> u32 {
        self.block(index / 4)[(index % 4) as usize]
    }

    /// Elements `4 · index` to `4 · index + 3` of the stream.
    pub fn block(&self, index: u64) -> [u32; 4] {
        let index = u32::try_from(index).expect("a stream holds 2^34 numbers");
        let [step, epoch, purpose] = self.stream;
        philox4x32([index, step, epoch, purpose], self.key)
    }

    /// The same four elements as multiples of 2⁻²⁴, uniform in [0, 1).
    pub fn uniform_block(&self, index: u64) -> [f32; 4] {
        self.block(index).map(to_uniform)
    }

    /// Element `index` as a multiple of 2⁻²⁴, uniform in [0, 1).
    pub fn uniform(&self, index: u64) -> f32 {
        to_uniform(self.bits(index))
    }

    /// Element `index` as an integer uniform in 0..`n`, up to a bias of n / 2³².
    pub fn below(&self, index: u64, n: u32) -> u32 {
        ((u64::from(self.bits(index)) * u64::from(n)) >> 32) as u32
    }

    /// A uniformly random order of `0..n` (Fisher and Yates, from the end).
    pub fn permutation(&self, n: u32) -> Vec<u32> {
        let mut order: Vec<u32> = (0..n).collect();
        for i in (1..n).rev() {
            order.swap(i as usize, self.below(u64::from(i), i + 1) as usize);
        }
        order
    }
}

/// The upper 24 bits, as a fraction of 2²⁴.
fn to_uniform(bits: u32) -> f32 {
    (bits >> 8) as f32 * (1.0 / (1 << 24) as f32)
}

/// The block function: ten rounds that mix a counter under a key.
pub fn philox4x32(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let ([mut c0, mut c1, mut c2, mut c3], [mut k0, mut k1]) = (counter, key);
    for _ in 0..10 {
        let p0 = u64::from(c0) * 0xD251_1F53;
        let p1 = u64::from(c2) * 0xCD9E_8D57;
        (c0, c1, c2, c3) =
            ((p1 >> 32) as u32 ^ c1 ^ k0, p1 as u32, (p0 >> 32) as u32 ^ c3 ^ k1, p0 as u32);
        k0 = k0.wrapping_add(0x9E37_79B9);
        k1 = k1.wrapping_add(0xBB67_AE85);
    }
    [c0, c1, c2, c3]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers of Random123 1.14 (`kat_vectors`, philox4x32 10).
    #[test]
    fn known_answers() {
        let cases = [
            ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
            ([!0; 4], [!0; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
            (
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0],
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
            ),
        ];
        for (counter, key, expected) in cases {
            assert_eq!(philox4x32(counter, key), expected);
        }
    }

    #[test]
    fn permutations_are_permutations_and_differ() {
        for n in [0, 1, 2, 7, 1000] {
            let mut order = Philox::new(3, Purpose::Shuffle, 0, 0).permutation(n);
            order.sort_unstable();
            assert_eq!(order, (0..n).collect::<Vec<_>>());
        }
        let [a, b] = [0, 1].map(|e| Philox::new(3, Purpose::Shuffle, e, 0).permutation(100));
        assert_ne!(a, b);
    }
}
