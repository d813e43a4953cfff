//! Device memory that is given out again: asking the driver stops everything that runs.

use crate::driver::{Block, Context, Error, Result, Stream};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Sizes are rounded up to multiples of this, which every load of a kernel can rely on.
const GRAIN: usize = 512;

/// Blocks that no one uses, by size.
///
/// A block may be given out again while work that used it is still queued: all work of an engine is in one
/// stream, so what uses it next comes later.
pub(crate) struct Pool {
    context: Arc<Context>,
    stream: Arc<Stream>,
    free: Mutex<HashMap<usize, Vec<Block>>>,
    /// Whether blocks are as long as asked for, and go back to the driver.
    pub(crate) is_exact: bool,
}

impl Pool {
    pub(crate) fn new(context: Arc<Context>, stream: Arc<Stream>, is_exact: bool) -> Pool {
        Pool { context, stream, free: Mutex::default(), is_exact }
    }

    /// A block of at least so many bytes, whose contents are arbitrary.
    pub(crate) fn take(&self, bytes: usize) -> Result<Block> {
        if self.is_exact {
            return Block::new(&self.context, bytes);
        }
        let bytes = rounded(bytes);
        if let Some(block) = self.blocks().get_mut(&bytes).and_then(Vec::pop) {
            return Ok(block);
        }
        match Block::new(&self.context, bytes) {
            Err(Error::OutOfMemory { .. }) => {
                self.stream.synchronize()?;
                self.blocks().clear();
                Block::new(&self.context, bytes)
            }
            taken => taken,
        }
    }

    /// Takes a block back.
    pub(crate) fn give(&self, block: Block) {
        if self.is_exact {
            // What is queued may still use it. If waiting fails, the device is lost and so is the memory.
            let _ = self.stream.synchronize();
            return;
        }
        self.blocks().entry(block.bytes()).or_default().push(block);
    }

    fn blocks(&self) -> std::sync::MutexGuard<'_, HashMap<usize, Vec<Block>>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The next of eight sizes between a power of two and the next, so that blocks of similar sizes are
/// exchanged and at most an eighth is wasted.
fn rounded(bytes: usize) -> usize {
    let step = (bytes.max(GRAIN).next_power_of_two() / 16).max(GRAIN);
    bytes.max(1).next_multiple_of(step)
}

#[cfg(test)]
mod tests {
    use super::rounded;

    #[test]
    fn sizes_are_rounded_up_by_at_most_an_eighth() {
        assert_eq!([0, 1, 512, 513, 8192, 8193].map(rounded), [512, 512, 512, 1024, 8192, 9216]);
        for bytes in (1 << 13..1 << 20).step_by(997) {
            assert!((bytes..=bytes + bytes / 8).contains(&rounded(bytes)), "{bytes}");
        }
    }
}
