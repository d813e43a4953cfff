//! Each fault that is planted in a kernel is caught, with what is wrong and the line where it is.
//!
//! A faulting kernel ends its context for good, as on a GPU, so each runs in a process of its own.

#![cfg(target_os = "linux")]

mod common;

use std::env;

use common::Argument::{Memory, Unsigned};
use common::{Argument, Driver, MODES, SUCCESS, line_of, say};
use glassbox_cuda_sim::{Mode, run_alone};

const ILLEGAL_ADDRESS: i32 = 700;
const ASSERT: i32 = 710;
const MISALIGNED_ADDRESS: i32 = 716;
const LAUNCH_FAILED: i32 = 719;

/// What has to be said of a kernel of this name.
struct Fault {
    kernel: &'static str,
    result: i32,
    says: &'static str,
    /// What the kernel takes: `o` memory, `i` memory with numbers, `e` memory that nobody wrote, `s` memory for one
    /// thread too few, `n` their number, `z` zero.
    arguments: &'static str,
    grid: usize,
    block: usize,
}

const fn fault(kernel: &'static str, result: i32, says: &'static str) -> Fault {
    Fault { kernel, result, says, arguments: "o", grid: 1, block: 64 }
}

impl Fault {
    const fn takes(self, arguments: &'static str) -> Fault {
        Fault { arguments, ..self }
    }
    const fn with(self, grid: usize, block: usize) -> Fault {
        Fault { grid, block, ..self }
    }
}

/// What both modes find, since nobody could go on.
const STUCK: &[Fault] = &[
    fault("divergent_barrier", LAUNCH_FAILED, "divergent barrier").with(1, 32),
    fault("two_barriers", LAUNCH_FAILED, "two different barriers").with(1, 32),
    fault("shuffle_from_absent_lane", LAUNCH_FAILED, "shuffle from an absent lane").with(1, 32),
    fault("shuffle_from_lane_that_left", LAUNCH_FAILED, "which has left the kernel").with(1, 32),
    fault("warp_waits_for_ever", LAUNCH_FAILED, "lanes that never come").with(1, 32),
    fault("not_in_own_mask", LAUNCH_FAILED, "not in its own mask").with(1, 32),
    fault("an_assertion", ASSERT, "threadIdx.x != 3").with(1, 32),
];

/// What only check mode finds.
const WRONG: &[Fault] = &[
    fault("missing_barrier", LAUNCH_FAILED, "of unwritten shared memory|race: read after write"),
    fault(
        "missing_barrier_in_template",
        LAUNCH_FAILED,
        "of unwritten shared memory|race: read after write",
    ),
    fault("missing_second_barrier", LAUNCH_FAILED, "race: write after read|race: read after write"),
    fault("beyond_global", ILLEGAL_ADDRESS, "out of bounds of global memory").takes("sn"),
    fault("beyond_array", ILLEGAL_ADDRESS, "index out of bounds of an array").with(1, 32),
    fault("beyond_member", ILLEGAL_ADDRESS, "index out of bounds of an array").with(1, 32),
    fault("beyond_pairs", ILLEGAL_ADDRESS, "out of bounds of a variable").with(1, 32),
    fault("beyond_shared", ILLEGAL_ADDRESS, "out of bounds of shared memory").with(1, 32),
    fault("beyond_dynamic", ILLEGAL_ADDRESS, "out of bounds of shared memory"),
    fault("write_race_between_blocks", LAUNCH_FAILED, "race: write after write").with(2, 32),
    fault("sum_without_atomic", LAUNCH_FAILED, "race: ").takes("i"),
    fault("plain_beside_atomic", LAUNCH_FAILED, "changed it atomically").takes("i"),
    fault("missing_syncwarp", LAUNCH_FAILED, "of unwritten shared memory|race: read after write")
        .with(1, 32),
    fault(
        "syncwarp_of_too_few",
        LAUNCH_FAILED,
        "of unwritten shared memory|race: read after write",
    )
    .with(1, 32),
    fault("unwritten_shared", LAUNCH_FAILED, "read of unwritten shared memory"),
    fault("unwritten_global", LAUNCH_FAILED, "read of unwritten global memory").takes("eo"),
    fault("misaligned", MISALIGNED_ADDRESS, "misaligned access").takes("io"),
    fault("missing_copy_wait", LAUNCH_FAILED, "asynchronous copy has not reached")
        .takes("io")
        .with(1, 32),
    fault("missing_copy_commit", LAUNCH_FAILED, "asynchronous copy has not reached")
        .takes("io")
        .with(1, 32),
    fault(
        "missing_barrier_after_copy",
        LAUNCH_FAILED,
        "asynchronous copy has not reached|race: |of unwritten",
    )
    .takes("io"),
    fault("missing_fence", LAUNCH_FAILED, "race: read after write").takes("iio").with(3, 1),
    fault("division_by_zero", LAUNCH_FAILED, "division by zero").takes("oz"),
];

fn expect_caught(fault: &Fault, mode: Mode, order: &str) {
    let environment =
        [("GLASSBOX_SIM_ORDER", order), ("KERNEL", fault.kernel), ("MODE", mode.name())];
    let (_, text) = run_alone("one_fault", &environment);
    let says = fault.says.split('|').any(|says| text.contains(says));
    let expected = format!("result {}", fault.result);
    let is_caught = says && text.contains(&line_of(fault.kernel)) && text.contains(&expected);
    assert!(is_caught, "{}, {mode:?}, {order}:\n{text}", fault.kernel);
}

#[test]
fn kernels_that_get_stuck() {
    for fault in STUCK {
        for mode in MODES {
            expect_caught(fault, mode, "forward");
        }
        expect_caught(fault, Mode::Check, "shuffled:7");
    }
}

#[test]
fn kernels_that_do_what_they_may_not() {
    for fault in WRONG {
        for order in ["forward", "backward", "shuffled:7"] {
            expect_caught(fault, Mode::Check, order);
        }
    }
}

#[test]
#[ignore = "the others run it, in a process of its own"]
fn one_fault() {
    let (kernel, mode) = (env::var("KERNEL").expect("set"), env::var("MODE").expect("set"));
    let mode = if mode == "fast" { Mode::Fast } else { Mode::Check };
    let fault = STUCK.iter().chain(WRONG).find(|fault| fault.kernel == kernel);
    let fault = fault.expect("a fault of that name");
    let driver = Driver::start(mode);
    let arguments: Vec<Argument> = fault
        .arguments
        .chars()
        .map(|kind| match kind {
            'i' => Memory(driver.upload(&[0u32; 256])),
            'o' | 'e' => Memory(driver.allocate(4 * fault.block)),
            's' => Memory(driver.allocate(4 * (fault.block - 1))),
            'n' => Unsigned(fault.block as u32 - 1),
            _ => Unsigned(0),
        })
        .collect();
    let (grid, block) = ([fault.grid, 1, 1], [fault.block, 1, 1]);
    let launched = driver.launch_in(0, &kernel, grid, block, 4 * fault.block, &arguments);
    assert_eq!(launched, SUCCESS, "a launch says nothing of what will happen");
    let result = driver.call("cuCtxSynchronize", &[]);
    say(&format!("result {result}"));
    // From then on everything fails in the same way.
    let mut address = 0usize;
    assert_eq!(driver.call("cuMemAlloc_v2", &[common::place(&mut address), 4]), result);
}
