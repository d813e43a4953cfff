//! Kernels that start before the one queued ahead of them has ended, and have to wait for it themselves.

#![cfg(target_os = "linux")]

mod common;

use common::Argument::{self, Memory};
use common::{Driver, MODES, SUCCESS, line_of, place};
use glassbox_cuda_sim::{Mode, run_alone};

const LAUNCH_FAILED: i32 = 719;
const NOT_SUPPORTED: i32 = 801;
const CAPTURE_UNSUPPORTED: i32 = 900;

const NON_BLOCKING: usize = 1;

/// The mode of capture in which a kernel may be loaded meanwhile.
const RELAXED: usize = 2;

const THREADS: usize = 64;

/// Queues `adds_one`, and behind it this kernel, early or not; returns what the second launch says, and its output.
fn queue(driver: &Driver, stream: usize, kernel: &str, is_early: bool) -> (i32, common::Memory) {
    let first = driver.upload(&[2.0f32; THREADS]);
    let [between, out] = [(); 2].map(|()| driver.allocate(4 * THREADS));
    let factors = driver.upload(&[5.0f32; THREADS]);
    let (grid, block) = ([1; 3], [THREADS, 1, 1]);
    let ahead = [Memory(first), Memory(between)];
    assert_eq!(driver.launch_in(stream, "adds_one", grid, block, 0, &ahead), SUCCESS);
    let other = if kernel == "writes_too_early" { first } else { factors };
    let arguments: [Argument; 3] = [between, other, out].map(Memory);
    let result = if is_early {
        driver.launch_early(stream, kernel, grid, block, &arguments)
    } else {
        driver.launch_in(stream, kernel, grid, block, 0, &arguments)
    };
    (result, out)
}

#[test]
fn a_kernel_that_waits() {
    for mode in MODES {
        for is_early in [false, true] {
            let driver = Driver::start(mode);
            let (result, out) = queue(&driver, 0, "waits", is_early);
            assert_eq!(result, SUCCESS);
            assert_eq!(driver.download::<f32>(out), [15.0; THREADS], "{}", driver.report());
        }
    }
}

#[test]
fn kernels_that_do_not_wait_are_found() {
    for (kernel, says) in [
        ("reads_too_early", "race: the kernel ahead writes it, and was not waited for"),
        ("one_thread_reads_too_early", "thread (40,0,0) of block (0,0,0) reads"),
        ("writes_too_early", "race: the kernel ahead reads it, and was not waited for"),
        ("lets_start_too_early", "has not waited for the one ahead"),
    ] {
        let driver = Driver::start(Mode::Check);
        let (result, _) = queue(&driver, 0, kernel, true);
        assert_eq!(result, SUCCESS, "a launch says nothing of what will happen");
        assert_eq!(driver.call("cuCtxSynchronize", &[]), LAUNCH_FAILED, "{kernel}");
        let report = driver.report();
        assert!(report.contains(says) && report.contains(&line_of(kernel)), "{kernel}: {report}");
        drop(driver);

        // One after the other they are all right.
        let driver = Driver::start(Mode::Check);
        queue(&driver, 0, kernel, false);
        assert_eq!(driver.call("cuCtxSynchronize", &[]), SUCCESS, "{}", driver.report());
    }
}

#[test]
fn a_kernel_that_never_waits_is_found() {
    for mode in MODES {
        let driver = Driver::start(mode);
        assert_eq!(queue(&driver, 0, "never_waits", true).0, SUCCESS);
        assert_eq!(driver.call("cuCtxSynchronize", &[]), LAUNCH_FAILED);
        let says =
            "kernel never_waits, grid (1,1,1), block (64,1,1): the kernel may start early, and";
        assert!(driver.report().contains(says), "{}", driver.report());
    }
}

/// Of three kernels the last may rely on the first before it waits, and on the second after.
#[test]
fn a_kernel_relies_on_all_before_it_but_one() {
    let driver = Driver::start(Mode::Check);
    let numbers = driver.upload(&[2.0f32; THREADS]);
    let [first, second, third] = [(); 3].map(|()| driver.allocate(4 * THREADS));
    let (grid, block) = ([1; 3], [THREADS, 1, 1]);
    let ahead = [numbers, first].map(Memory);
    assert_eq!(driver.launch_in(0, "adds_one", grid, block, 0, &ahead), SUCCESS);
    // (2 + 1) · 2, and that times 2 + 1.
    for arguments in [[first, numbers, second], [second, first, third]] {
        let arguments = arguments.map(Memory);
        assert_eq!(driver.launch_early(0, "waits", grid, block, &arguments), SUCCESS);
    }
    assert_eq!(driver.download::<f32>(third), [18.0; THREADS], "{}", driver.report());
}

/// What is not right behind a kernel waits for all before it, whatever it is launched with.
#[test]
fn a_copy_between_two_kernels_is_waited_for() {
    let driver = Driver::start(Mode::Check);
    let numbers = driver.upload(&[2.0f32; THREADS]);
    let [first, second] = [(); 2].map(|()| driver.allocate(4 * THREADS));
    let (grid, block) = ([1; 3], [THREADS, 1, 1]);
    let ahead = [numbers, first].map(Memory);
    assert_eq!(driver.launch_in(0, "adds_one", grid, block, 0, &ahead), SUCCESS);
    driver.must("cuMemcpyDtoDAsync_v2", &[first.address, numbers.address, first.bytes, 0]);
    let arguments = [first, numbers, second].map(Memory);
    assert_eq!(driver.launch_early(0, "reads_too_early", grid, block, &arguments), SUCCESS);
    assert_eq!(driver.download::<f32>(second), [4.0; THREADS], "{}", driver.report());
}

#[test]
fn an_early_launch_is_recorded() {
    let driver = Driver::start(Mode::Check);
    let stream = driver.make("cuStreamCreate", &[NON_BLOCKING]);
    driver.must("cuStreamBeginCapture_v2", &[stream, RELAXED]);
    let (result, out) = queue(&driver, stream, "waits", true);
    assert_eq!(result, SUCCESS);
    let mut graph = 0usize;
    driver.must("cuStreamEndCapture", &[stream, place(&mut graph)]);
    let executable = driver.make("cuGraphInstantiateWithFlags", &[graph, 0]);
    driver.must("cuGraphLaunch", &[executable, stream]);
    driver.must("cuStreamSynchronize", &[stream]);
    assert_eq!(driver.download::<f32>(out), [15.0; THREADS]);
    driver.must("cuGraphExecDestroy", &[executable]);
    driver.must("cuGraphDestroy", &[graph]);
}

#[test]
fn old_chips_and_old_drivers_refuse() {
    for (variable, value, test) in [
        ("GLASSBOX_SIM_CAPABILITY", "89", "a_chip_that_cannot"),
        ("GLASSBOX_SIM_DRIVER", "12020", "a_driver_that_does_not_record_it"),
    ] {
        let (is_good, text) = run_alone(test, &[(variable, value)]);
        assert!(is_good, "{variable}={value}\n{text}");
    }
}

#[test]
#[ignore = "needs its environment"]
fn a_chip_that_cannot() {
    let driver = Driver::start(Mode::Fast);
    assert_eq!(queue(&driver, 0, "waits", true).0, NOT_SUPPORTED);
}

#[test]
#[ignore = "needs its environment"]
fn a_driver_that_does_not_record_it() {
    let driver = Driver::start(Mode::Fast);
    assert_eq!(queue(&driver, 0, "waits", true).0, SUCCESS);
    let stream = driver.make("cuStreamCreate", &[NON_BLOCKING]);
    driver.must("cuStreamBeginCapture_v2", &[stream, RELAXED]);
    assert_eq!(queue(&driver, stream, "waits", true).0, CAPTURE_UNSUPPORTED);
}
