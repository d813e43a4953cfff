//! The choice of an instruction set: once, at run time.

#[cfg(target_arch = "x86_64")]
use super::vector::{Avx2, Avx512};
use super::vector::{Portable, Vector};
use std::fmt;
use std::str::FromStr;

/// An instruction set that this CPU is known to have.
///
/// There is no way to make one that it has not, which is what makes [`run`](Simd::run) safe.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Simd(Isa);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Isa {
    Portable,
    PortableWide,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

/// A loop written once for every instruction set.
pub(crate) trait Kernel {
    /// What the loop returns.
    type Output;

    /// The loop. Implementations are `#[inline(always)]`, so that they are compiled for the
    /// instructions of `V`.
    ///
    /// # Safety
    /// The CPU must have the instructions of `V`.
    unsafe fn run<V: Vector>(self) -> Self::Output;
}

impl Simd {
    /// The instruction sets of this CPU, best first; `portable` is always last.
    pub fn available() -> Vec<Simd> {
        let mut sets = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            // Counting and finding bits is as old as AVX2 on every chip, but asked for all the same.
            let has_bits = is_x86_feature_detected!("bmi1")
                && is_x86_feature_detected!("bmi2")
                && is_x86_feature_detected!("lzcnt")
                && is_x86_feature_detected!("popcnt");
            let has_avx2 =
                has_bits && is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            let has_avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512vbmi2");
            if has_avx2 && has_avx512 {
                sets.push(Simd(Isa::Avx512));
            }
            if has_avx2 {
                sets.push(Simd(Isa::Avx2));
            }
        }
        sets.push(Simd(Isa::Portable));
        sets
    }

    /// Plain Rust with sixteen lanes, in the tiles of AVX-512: so that tests reach on every CPU what
    /// is written for registers of that width. Never the best, and so not among the available.
    pub fn portable_wide() -> Simd {
        Simd(Isa::PortableWide)
    }

    /// The best instruction set of this CPU.
    pub fn best() -> Simd {
        Simd::available()[0]
    }

    /// The name that `GLASSBOX_SIMD` takes.
    pub fn name(self) -> &'static str {
        match self.0 {
            Isa::Portable => "portable",
            Isa::PortableWide => "portable, sixteen lanes",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => "avx512",
        }
    }

    /// Runs a kernel compiled for this instruction set.
    #[inline]
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self.0 {
            // SAFETY: plain Rust needs no special instructions.
            Isa::Portable => unsafe { kernel.run::<Portable<8>>() },
            // SAFETY: as above.
            Isa::PortableWide => unsafe { kernel.run::<Portable<16>>() },
            // SAFETY: a `Simd` is made only by `available`, which asked the CPU.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => unsafe { run_avx2(kernel) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => unsafe { run_avx512(kernel) },
        }
    }
}

/// # Safety
/// The CPU must have AVX2, FMA and the instructions for bits.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,bmi1,bmi2,lzcnt,popcnt")]
unsafe fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: the caller promises the instructions.
    unsafe { kernel.run::<Avx2>() }
}

/// # Safety
/// The CPU must have AVX-512 with BW, DQ, VL and VBMI2, and so AVX2 and FMA, which it implies, and the
/// instructions for bits.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi2,bmi1,bmi2,lzcnt,popcnt")]
unsafe fn run_avx512<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: the caller promises the instructions.
    unsafe { kernel.run::<Avx512>() }
}

impl fmt::Display for Simd {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The instruction set that was asked for is unknown, or this CPU lacks it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NoSuchSimd(String);

impl fmt::Display for NoSuchSimd {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let available: Vec<_> = Simd::available().iter().map(|simd| simd.name()).collect();
        let (asked, available) = (&self.0, available.join(", "));
        write!(
            f,
            "instruction set '{asked}' is not available on this CPU (hint: use one of {available})"
        )
    }
}

impl std::error::Error for NoSuchSimd {}

impl FromStr for Simd {
    type Err = NoSuchSimd;

    fn from_str(name: &str) -> Result<Simd, NoSuchSimd> {
        let found = Simd::available().into_iter().find(|simd| simd.name() == name);
        found.ok_or_else(|| NoSuchSimd(name.to_string()))
    }
}
