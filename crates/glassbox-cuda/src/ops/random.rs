//! Random fills and dropout: what Philox numbers become.

use crate::buffer::Buffer;
use crate::driver::Result;
use crate::engine::Engine;
use crate::launch::{Image, Launch};

/// The kernels, for who launches them without the functions here.
pub static IMAGE: Image =
    Image { name: "random", ptx: include_str!("../../ptx/random.ptx"), capability: 75 };

/// A stream of random numbers, see `glassbox_cpu::reference::philox`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    /// The two words of the key.
    pub key: [u32; 2],
    /// Words 1 to 3 of the counter: step, epoch, purpose.
    pub words: [u32; 3],
}

impl Launch<'_> {
    fn stream(self, stream: Stream) -> Self {
        let ([k0, k1], [step, epoch, purpose]) = (stream.key, stream.words);
        self.arg(k0).arg(k1).arg(step).arg(epoch).arg(purpose)
    }
}

/// out = uniform in [−limit, limit)
pub fn fill_uniform(
    engine: &Engine,
    out: &mut Buffer<f32>,
    limit: f32,
    stream: Stream,
) -> Result<()> {
    let n = out.len();
    let launch = engine.launch(&IMAGE, "fill_uniform")?.elements(n);
    // SAFETY: out (n).
    unsafe { launch.arg(out).arg(limit).stream(stream).arg(n as u64).run() }
}

/// out = x / (1 − p) where the stream keeps the element, 0 elsewhere; on dy it gives dx
pub fn dropout(
    engine: &Engine,
    out: &mut Buffer<f32>,
    x: &Buffer<f32>,
    p: f32,
    stream: Stream,
) -> Result<()> {
    let n = out.len();
    assert_eq!(x.len(), n, "dropout");
    let launch = engine.launch(&IMAGE, "dropout")?.elements(n);
    // SAFETY: both (n).
    unsafe { launch.arg(out).arg(x).arg(p).stream(stream).arg(n as u64).run() }
}
