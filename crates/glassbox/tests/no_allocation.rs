//! A network that has seen a batch of some size asks the system for no memory to see another.

use glassbox::{Device, Init, Loss, Network, Reduction, Targets, Tensor};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

struct Counting;

static CALLS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: promised by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: promised by the caller.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Alone in its file: another test at the same time would count, too.
#[test]
fn inference_allocates_nothing() {
    for threads in [1, 2] {
        let device = Device::cpu(Some(threads)).unwrap();
        let mut network = Network::new("784-128-relu-10-softmax", Init::He, 0).unwrap();
        for rows in [1, 64] {
            // An image and a dense input, which take different ways through the products.
            for step in [5, 1] {
                let numbers = (0..784 * rows).map(|i| if i % step == 0 { 0.5 } else { 0.0 });
                let x = Tensor::new(&[rows, 784], numbers.collect()).unwrap();
                let first = network.forward(&device, &x).unwrap().data().to_vec();
                // A thread that gets a processor late still begins, and allocates, at another time than the first.
                let mut count = || {
                    let before = CALLS.load(Ordering::Relaxed);
                    let again = network.forward(&device, &x).unwrap();
                    let after = CALLS.load(Ordering::Relaxed);
                    assert_eq!(again.data(), first);
                    after - before
                };
                let least = (0..20).map(|_| count()).min();
                assert_eq!(least, Some(0), "{rows} rows, {threads} threads");
            }
        }
    }
    // What the count would say if something did.
    let before = CALLS.load(Ordering::Relaxed);
    let device = Device::cpu(Some(1)).unwrap();
    let logits = Tensor::zeros(&[1, 3]);
    let loss =
        Loss::CrossEntropy(Reduction::Mean).forward(&device, &logits, Targets::Classes(&[0]));
    assert!(loss.is_ok() && CALLS.load(Ordering::Relaxed) > before);
}
