//! Turns: work that takes its time is done one of a kind at a time, and waits outside the pool of threads that do it.

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;

/// The threads of the pool: one for each kind of work, and one for what is at hand.
pub(crate) const THREADS: usize = 5;

/// A place for each kind of work.
pub(crate) struct Turns {
    /// Looking through the folders.
    pub looking: Turn,
    /// Reading a run in full.
    pub reading: Turn,
    /// Drawing a picture.
    pub drawing: Turn,
    /// Asking a network.
    pub computing: Turn,
}

/// A place for one at a time.
pub(crate) struct Turn(Arc<Semaphore>);

/// The one place, until it is dropped.
pub(crate) struct Place(#[expect(dead_code, reason = "it is held")] OwnedSemaphorePermit);

/// Work that broke off.
pub(crate) struct Broken;

impl Turns {
    pub fn new() -> Turns {
        let turn = || Turn(Arc::new(Semaphore::new(1)));
        Turns { looking: turn(), reading: turn(), drawing: turn(), computing: turn() }
    }
}

impl Turn {
    /// The place, if nobody has it.
    pub fn free(&self) -> Option<Place> {
        Arc::clone(&self.0).try_acquire_owned().ok().map(Place)
    }

    /// Its place, when it is its turn.
    pub async fn place(&self) -> Result<Place, Broken> {
        Arc::clone(&self.0).acquire_owned().await.map(Place).map_err(|_| Broken)
    }

    /// Works when it is its turn.
    pub async fn take<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Broken> {
        self.place().await?.take(work).await
    }
}

impl Place {
    /// Works. The work keeps its place until it is done, also where nobody waits for it any more.
    pub async fn take<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Broken> {
        let work = move || {
            let _place = self;
            work()
        };
        spawn_blocking(work).await.map_err(|_| Broken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;
    use tokio::runtime::Builder;

    #[test]
    fn one_works_at_a_time_and_the_pool_stays_free() {
        let runtime =
            Builder::new_current_thread().enable_all().max_blocking_threads(2).build().unwrap();
        let (turns, at_work) = (Arc::new(Turns::new()), Arc::new(AtomicUsize::new(0)));
        runtime.block_on(async {
            let (go, may_go) = std::sync::mpsc::channel::<()>();
            let may_go = Arc::new(std::sync::Mutex::new(may_go));
            let drawings = (0..8).map(|_| {
                let (turns, at_work, may_go) =
                    (Arc::clone(&turns), Arc::clone(&at_work), Arc::clone(&may_go));
                tokio::spawn(async move {
                    let work = move || {
                        let before = at_work.fetch_add(1, Ordering::SeqCst);
                        _ = may_go.lock().unwrap().recv_timeout(Duration::from_secs(20));
                        at_work.fetch_sub(1, Ordering::SeqCst);
                        before
                    };
                    turns.drawing.take(work).await.ok()
                })
            });
            let drawings: Vec<_> = drawings.collect();
            while at_work.load(Ordering::SeqCst) == 0 {
                tokio::task::yield_now().await;
            }
            // Whoever went away leaves no second place.
            drawings[0].abort();
            assert!(turns.drawing.free().is_none());
            // All drawings wait, and a look does not.
            assert_eq!(turns.looking.take(|| 7).await.ok(), Some(7));
            assert!(at_work.load(Ordering::SeqCst) == 1 && turns.looking.free().is_some());
            (0..8).for_each(|_| go.send(()).unwrap());
            for drawing in drawings.into_iter().skip(1) {
                assert_eq!(drawing.await.unwrap(), Some(0), "another was at work");
            }
            assert!(turns.looking.take(|| panic!("as it may")).await.map(|()| 0).is_err());
            assert!(turns.looking.free().is_some());
        });
    }
}
