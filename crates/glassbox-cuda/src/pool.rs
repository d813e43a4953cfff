//! Device memory that is given out again: asking the driver stops everything that runs.

use crate::driver::{Block, Context, Error, Result, Stream, refuse};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Sizes are rounded up to multiples of this, which every load of a kernel can rely on.
const GRAIN: usize = 512;

/// Blocks that no one uses, by size.
///
/// A block may be given out again while work that used it is still queued: all work of an engine is in one
/// stream, so what uses it next comes later.
pub(crate) struct Pool {
    stream: Arc<Stream>,
    free: Mutex<HashMap<usize, Vec<Block>>>,
    /// Whether blocks are as long as asked for, and go back to the driver.
    pub(crate) is_exact: bool,
    beside: Arc<Pools>,
}

/// The pools of a context. An engine takes from its own only, since work of others that used a block may be queued in
/// their streams; but where memory runs out, all give back what they have.
pub(crate) struct Pools {
    context: Arc<Context>,
    all: Mutex<Vec<Weak<Pool>>>,
}

impl Pools {
    pub(crate) fn new(context: Arc<Context>) -> Arc<Pools> {
        Arc::new(Pools { context, all: Mutex::default() })
    }

    /// A new pool, for an engine with this stream.
    pub(crate) fn add(self: &Arc<Pools>, stream: Arc<Stream>, is_exact: bool) -> Arc<Pool> {
        let pool = Pool { stream, free: Mutex::default(), is_exact, beside: self.clone() };
        let pool = Arc::new(pool);
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|pool| pool.strong_count() > 0);
        all.push(Arc::downgrade(&pool));
        pool
    }

    /// Does what may need memory, and once more when all pools are empty if there was none.
    pub(crate) fn with_room<T>(&self, mut what: impl FnMut() -> Result<T>) -> Result<T> {
        match what() {
            // Where they cannot be emptied, in a recording say, there is no memory all the same.
            Err(Error::OutOfMemory { .. }) if self.empty().is_ok() => what(),
            done => done,
        }
    }

    /// Gives all blocks that no one uses back to the driver, but for those of an engine that is being recorded: that
    /// thread may be waiting for this one.
    fn empty(&self) -> Result<()> {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let pools = all.iter().filter_map(Weak::upgrade);
        pools.filter(|pool| !pool.stream.is_recorded()).try_for_each(|pool| pool.empty())
    }
}

impl Pool {
    /// A block of at least so many bytes, whose contents are arbitrary.
    pub(crate) fn take(&self, bytes: usize) -> Result<Block> {
        // It would be another's when the graph runs.
        refuse("cuMemAlloc")?;
        let bytes = if self.is_exact { bytes } else { rounded(bytes) };
        let kept =
            if self.is_exact { None } else { self.blocks().get_mut(&bytes).and_then(Vec::pop) };
        if let Some(block) = kept {
            return Ok(block);
        }
        self.beside.with_room(|| Block::new(&self.beside.context, bytes))
    }

    /// Takes a block back.
    pub(crate) fn give(&self, block: Block) {
        // What is queued may still use it. It stays here if it cannot be waited for, because this thread records.
        if self.is_exact && self.stream.synchronize().is_ok() {
            return;
        }
        self.blocks().entry(block.bytes()).or_default().push(block);
    }

    fn empty(&self) -> Result<()> {
        // Blocks that come back from now on may be in use by work that is not waited for.
        let blocks = std::mem::take(&mut *self.blocks());
        self.stream.synchronize()?;
        drop(blocks);
        Ok(())
    }

    fn blocks(&self) -> MutexGuard<'_, HashMap<usize, Vec<Block>>> {
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
