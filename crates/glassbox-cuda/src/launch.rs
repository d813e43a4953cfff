//! Launching a kernel: its shape, and arguments checked against its parameters.

use crate::buffer::Buffer;
use crate::driver::{Element, Function, Result, Stream, api};
use cudarc::driver::sys::{
    CUlaunchAttribute, CUlaunchAttributeID, CUlaunchAttributeValue, CUlaunchConfig,
};
use std::ffi::c_void;

/// Kernels as the driver takes them: the PTX of a file, and the oldest chip that it is for.
pub struct Image {
    /// The file, without its ending.
    pub name: &'static str,
    /// Its text.
    pub ptx: &'static str,
    /// 10 · major + minor of the compute capability it needs.
    pub capability: u32,
}

/// An argument of a kernel: at most eight bytes, passed as they are.
pub trait Argument {
    /// How many bytes.
    const BYTES: usize;
    /// The bytes, the first in the lowest place.
    fn bits(&self) -> u64;
}

macro_rules! number {
    ($type:ty, $bits:expr) => {
        impl Argument for $type {
            const BYTES: usize = size_of::<$type>();
            fn bits(&self) -> u64 {
                ($bits)(*self)
            }
        }
    };
}
number!(u32, u64::from);
number!(u64, |x| x);
number!(f32, |x: f32| u64::from(x.to_bits()));

impl<T: Element> Argument for &Buffer<T> {
    const BYTES: usize = 8;
    fn bits(&self) -> u64 {
        self.address()
    }
}

impl<T: Element> Argument for &mut Buffer<T> {
    const BYTES: usize = 8;
    fn bits(&self) -> u64 {
        self.address()
    }
}

/// The most threads a block may have, on every chip.
pub const MOST_THREADS: u32 = 1024;

/// A kernel about to be launched.
pub struct Launch<'a> {
    stream: &'a Stream,
    /// Whether there is nothing to do, so that it is not queued.
    is_empty: bool,
    /// Whether it may start before what is queued ahead of it has ended.
    is_early: bool,
    kernel: &'static str,
    function: Function,
    grid: [u32; 3],
    block: [u32; 3],
    arguments: Vec<u64>,
}

impl<'a> Launch<'a> {
    pub(crate) fn new(stream: &'a Stream, kernel: &'static str, function: Function) -> Launch<'a> {
        let arguments = Vec::with_capacity(function.parameters.len());
        let (grid, block) = ([1; 3], [1; 3]);
        Launch {
            stream,
            is_empty: false,
            is_early: false,
            kernel,
            function,
            grid,
            block,
            arguments,
        }
    }

    /// So many blocks.
    pub fn grid(mut self, grid: [u32; 3]) -> Self {
        self.grid = grid;
        self
    }

    /// So many threads a block.
    pub fn block(mut self, block: [u32; 3]) -> Self {
        self.block = block;
        self
    }

    /// Whether there is nothing to do: then it is checked as any other and not queued.
    pub(crate) fn empty_if(mut self, is_empty: bool) -> Self {
        self.is_empty = is_empty;
        self
    }

    /// Whether the kernel may start before what is queued ahead of it has ended, on a device whose
    /// [`Context`](crate::driver::Context) says that this can be.
    pub(crate) fn early_if(mut self, is_early: bool) -> Self {
        self.is_early = is_early;
        self
    }

    /// The next argument.
    ///
    /// # Panics
    /// If the kernel has no parameter of that size there.
    pub fn arg<A: Argument>(mut self, argument: A) -> Self {
        let place = self.arguments.len();
        let expected = self.function.parameters.get(place).copied();
        assert_eq!(expected, Some(A::BYTES), "{}: bytes of parameter {place}", self.kernel);
        self.arguments.push(argument.bits());
        self
    }

    /// Queues the kernel.
    ///
    /// # Safety
    /// The arguments are what the kernel's text says of them, and nothing else touches the buffers that it
    /// writes. All buffers are of the stream's engine. A kernel that may start early waits before it touches what the one
    /// ahead of it does: `sm90.cuh` says how.
    ///
    /// # Panics
    /// If arguments are missing, or the shape is none.
    pub unsafe fn run(mut self) -> Result<()> {
        let ([gx, gy, gz], [bx, by, bz]) = (self.grid, self.block);
        assert_eq!(self.arguments.len(), self.function.parameters.len(), "{}", self.kernel);
        assert!((1..=MOST_THREADS).contains(&(bx * by * bz)), "{}: {:?}", self.kernel, self.block);
        assert!(
            gx > 0 && (1..=65535).contains(&gy) && (1..=65535).contains(&gz),
            "{}",
            self.kernel
        );
        if self.is_empty {
            return Ok(());
        }
        let mut places: Vec<*mut c_void> =
            self.arguments.iter_mut().map(|bits| (bits as *mut u64).cast()).collect();
        let (function, places) = (self.function.handle, places.as_mut_ptr());
        let mut early = CUlaunchAttribute {
            id: CUlaunchAttributeID::CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION,
            pad: [0; 4],
            value: CUlaunchAttributeValue { programmaticStreamSerializationAllowed: 1 },
        };
        // SAFETY: the function exists, there are as many arguments of as many bytes as it has parameters,
        // and the driver copies them; `early` is an attribute that lives as long; the rest is promised by the caller.
        self.stream.queue("cuLaunchKernelEx", |stream| unsafe {
            let config = CUlaunchConfig {
                gridDimX: gx,
                gridDimY: gy,
                gridDimZ: gz,
                blockDimX: bx,
                blockDimY: by,
                blockDimZ: bz,
                sharedMemBytes: 0,
                hStream: stream,
                attrs: &mut early,
                numAttrs: u32::from(self.is_early),
            };
            api::cuLaunchKernelEx(&config, function, places, std::ptr::null_mut())
        })
    }
}
