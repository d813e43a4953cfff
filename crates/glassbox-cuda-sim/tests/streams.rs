//! Work is carried out when somebody waits for it, in the order of its stream, and streams wait only for events.

#![cfg(target_os = "linux")]

mod common;

use common::Argument::{self, Unsigned};
use common::{Driver, Memory, SUCCESS, place, write_pinned};
use glassbox_cuda_sim::{Mode, run_alone};

const INVALID_VALUE: i32 = 1;
const INVALID_HANDLE: i32 = 400;
const ILLEGAL_STATE: i32 = 401;
const NOT_READY: i32 = 600;
const ILLEGAL_ADDRESS: i32 = 700;
const CAPTURE_UNSUPPORTED: i32 = 900;
const CAPTURE_INVALIDATED: i32 = 901;
const CAPTURE_UNJOINED: i32 = 904;
const CAPTURED_EVENT: i32 = 907;

const NON_BLOCKING: usize = 1;

/// The mode of capture in which a kernel may be loaded meanwhile.
const RELAXED: usize = 2;

fn increment(driver: &Driver, stream: usize, memory: Memory, by: u32) {
    let arguments = [Argument::Memory(memory), Unsigned(by)];
    let launched = driver.launch_in(stream, "increment", [1; 3], [1; 3], 0, &arguments);
    assert_eq!(launched, SUCCESS, "{}", driver.report());
}

/// Copies a number to the host without waiting.
fn fetch(driver: &Driver, stream: usize, memory: Memory, target: &mut u32) {
    driver.must("cuMemcpyDtoHAsync_v2", &[place(target), memory.address, 4, stream]);
}

#[test]
fn nothing_happens_until_somebody_waits() {
    let driver = Driver::start(Mode::Check);
    let stream = driver.make("cuStreamCreate", &[NON_BLOCKING]);
    let (number, mut seen) = (driver.upload(&[5u32]), 77);
    increment(&driver, stream, number, 3);
    fetch(&driver, stream, number, &mut seen);
    assert_eq!(seen, 77, "a missing wait has to be seen");
    driver.must("cuStreamSynchronize", &[stream]);
    assert_eq!(seen, 8);
}

#[test]
fn asking_moves_a_stream_on() {
    let driver = Driver::start(Mode::Check);
    let stream = driver.make("cuStreamCreate", &[NON_BLOCKING]);
    let number = driver.upload(&[0u32]);
    for _ in 0..3 {
        increment(&driver, stream, number, 1);
    }
    let asked = (0..).take_while(|_| driver.call("cuStreamQuery", &[stream]) == NOT_READY).count();
    assert_eq!(asked, 3);
    assert_eq!(driver.download::<u32>(number), [3]);
}

#[test]
fn ordinary_memory_is_copied_at_once_and_pinned_memory_when_its_turn_comes() {
    let driver = Driver::start(Mode::Check);
    let (stream, number) = (driver.make("cuStreamCreate", &[NON_BLOCKING]), driver.upload(&[0u32]));
    let mut seen = 0;
    let mut source = 1u32;
    driver.must("cuMemcpyHtoDAsync_v2", &[number.address, place(&mut source), 4, stream]);
    source = 2;
    fetch(&driver, stream, number, &mut seen);
    driver.must("cuStreamSynchronize", &[stream]);
    assert_eq!((seen, source), (1, 2));

    let pinned = driver.make("cuMemAllocHost_v2", &[4]);
    write_pinned(pinned, 3);
    driver.must("cuMemcpyHtoDAsync_v2", &[number.address, pinned, 4, stream]);
    write_pinned(pinned, 4);
    fetch(&driver, stream, number, &mut seen);
    driver.must("cuStreamSynchronize", &[stream]);
    assert_eq!(seen, 4, "a buffer that is used again too early has to be seen");
    driver.must("cuMemFreeHost", &[pinned]);
}

#[test]
fn streams_wait_for_events_and_for_nothing_else() {
    let driver = Driver::start(Mode::Check);
    let [first, second] = [(); 2].map(|()| driver.make("cuStreamCreate", &[NON_BLOCKING]));
    let (number, event) = (driver.upload(&[0u32]), driver.make("cuEventCreate", &[0]));
    let mut seen = 9;
    increment(&driver, first, number, 1);
    fetch(&driver, second, number, &mut seen);
    driver.must("cuStreamSynchronize", &[second]);
    assert_eq!(seen, 0, "a missing event has to be seen");

    driver.must("cuEventRecord", &[event, first]);
    // What comes after the event is not waited for.
    increment(&driver, first, number, 10);
    driver.must("cuStreamWaitEvent", &[second, event, 0]);
    fetch(&driver, second, number, &mut seen);
    driver.must("cuStreamSynchronize", &[second]);
    assert_eq!(seen, 1);
    driver.must("cuCtxSynchronize", &[]);
    assert_eq!(driver.download::<u32>(number), [11]);
}

#[test]
fn the_default_stream_and_blocking_streams_wait_for_each_other() {
    let driver = Driver::start(Mode::Check);
    let stream = driver.make("cuStreamCreate", &[0]);
    let (number, mut seen) = (driver.upload(&[0u32]), 9);
    increment(&driver, stream, number, 1);
    fetch(&driver, 0, number, &mut seen);
    driver.must("cuStreamSynchronize", &[0]);
    assert_eq!(seen, 1);
    increment(&driver, 0, number, 1);
    fetch(&driver, stream, number, &mut seen);
    driver.must("cuStreamSynchronize", &[stream]);
    assert_eq!(seen, 2);
}

/// The default stream of a thread, which is another in each.
#[test]
fn threads_have_default_streams_of_their_own() {
    const PER_THREAD: usize = 2;
    let driver = Driver::start(Mode::Check);
    let (number, mut seen) = (driver.upload(&[0u32]), 9);
    let context = driver.make("cuCtxGetCurrent", &[]);
    increment(&driver, PER_THREAD, number, 1);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            driver.must("cuCtxSetCurrent", &[context]);
            driver.must("cuStreamSynchronize", &[PER_THREAD]);
            fetch(&driver, PER_THREAD, number, &mut seen);
            driver.must("cuStreamSynchronize", &[PER_THREAD]);
        });
    });
    assert_eq!(seen, 0, "it is another thread's");
    fetch(&driver, PER_THREAD, number, &mut seen);
    driver.must("cuStreamSynchronize", &[PER_THREAD]);
    assert_eq!(seen, 1);
}

#[test]
fn events_have_times_and_know_when_they_are_reached() {
    let driver = Driver::start(Mode::Check);
    let stream = driver.make("cuStreamCreate", &[NON_BLOCKING]);
    let [start, end, untimed] =
        [0, 0, 2].map(|flags: usize| driver.make("cuEventCreate", &[flags]));
    let mut milliseconds = -1f32;
    let elapsed = |milliseconds: &mut f32, start, end| {
        driver.call("cuEventElapsedTime", &[place(milliseconds), start, end])
    };
    assert_eq!(elapsed(&mut milliseconds, start, end), INVALID_HANDLE, "they were never recorded");
    driver.must("cuEventSynchronize", &[start]);
    driver.must("cuEventRecord", &[start, stream]);
    increment(&driver, stream, driver.upload(&[0u32]), 1);
    driver.must("cuEventRecord", &[end, stream]);
    driver.must("cuEventRecord", &[untimed, stream]);
    // The upload waited for everything before it: only the last of the three is still to come.
    driver.must("cuEventQuery", &[start]);
    assert_eq!(elapsed(&mut milliseconds, start, end), NOT_READY);
    assert_eq!(driver.call("cuEventQuery", &[end]), NOT_READY);
    driver.must("cuEventSynchronize", &[end]);
    driver.must("cuEventQuery", &[end]);
    driver.must("cuStreamSynchronize", &[stream]);
    assert_eq!(elapsed(&mut milliseconds, start, end), SUCCESS);
    assert!(milliseconds >= 0.0);
    assert_eq!(elapsed(&mut milliseconds, start, untimed), INVALID_HANDLE);
    driver.must("cuEventDestroy_v2", &[start]);
    assert_eq!(driver.call("cuEventDestroy_v2", &[start]), INVALID_HANDLE);
}

#[test]
fn work_of_a_destroyed_stream_is_still_done() {
    let driver = Driver::start(Mode::Check);
    let stream = driver.make("cuStreamCreate", &[NON_BLOCKING]);
    let number = driver.upload(&[0u32]);
    increment(&driver, stream, number, 1);
    driver.must("cuStreamDestroy_v2", &[stream]);
    assert_eq!(driver.call("cuStreamSynchronize", &[stream]), INVALID_HANDLE);
    driver.must("cuCtxSynchronize", &[]);
    assert_eq!(driver.download::<u32>(number), [1]);
}

#[test]
fn a_graph_is_carried_out_again_and_again() {
    let driver = Driver::start(Mode::Check);
    let stream = driver.make("cuStreamCreate", &[NON_BLOCKING]);
    let (number, copy) = (driver.upload(&[0u32]), driver.allocate(4));
    let is_capturing = || {
        let mut status = 9u32;
        driver.must("cuStreamIsCapturing", &[stream, place(&mut status)]);
        status
    };
    driver.must("cuStreamBeginCapture_v2", &[stream, RELAXED]);
    assert_eq!(is_capturing(), 1);
    for by in [1, 10] {
        increment(&driver, stream, number, by);
    }
    driver.must("cuMemcpyDtoDAsync_v2", &[copy.address, number.address, 4, stream]);
    let mut graph = 0usize;
    driver.must("cuStreamEndCapture", &[stream, place(&mut graph)]);
    assert_eq!(is_capturing(), 0);
    assert_eq!(driver.download::<u32>(number), [0], "what is captured is not carried out");
    let exec = driver.make("cuGraphInstantiateWithFlags", &[graph, 0]);
    driver.must("cuGraphDestroy", &[graph]);
    for round in 1..=3 {
        driver.must("cuGraphLaunch", &[exec, stream]);
        driver.must("cuStreamSynchronize", &[stream]);
        assert_eq!(driver.download::<u32>(copy), [11 * round]);
    }
    driver.must("cuGraphExecDestroy", &[exec]);
    assert_eq!(driver.call("cuGraphLaunch", &[exec, stream]), INVALID_HANDLE);
    assert_eq!(driver.call("cuGraphDestroy", &[graph]), INVALID_HANDLE);
}

#[test]
fn a_captured_stream_forks_and_joins() {
    let driver = Driver::start(Mode::Check);
    let [first, second] = [(); 2].map(|()| driver.make("cuStreamCreate", &[NON_BLOCKING]));
    let [fork, join] = [(); 2].map(|()| driver.make("cuEventCreate", &[0]));
    let number = driver.upload(&[0u32]);
    for is_joined in [false, true] {
        driver.must("cuStreamBeginCapture_v2", &[first, RELAXED]);
        driver.must("cuEventRecord", &[fork, first]);
        driver.must("cuStreamWaitEvent", &[second, fork, 0]);
        increment(&driver, second, number, 5);
        driver.must("cuEventRecord", &[join, second]);
        assert_eq!(driver.call("cuEventQuery", &[join]), CAPTURED_EVENT);
        if is_joined {
            driver.must("cuStreamWaitEvent", &[first, join, 0]);
        }
        let mut graph = 0usize;
        let result = driver.call("cuStreamEndCapture", &[first, place(&mut graph)]);
        assert_eq!(result, if is_joined { SUCCESS } else { CAPTURE_UNJOINED });
        if is_joined {
            let exec = driver.make("cuGraphInstantiateWithFlags", &[graph, 0]);
            driver.must("cuGraphLaunch", &[exec, first]);
        }
    }
    driver.must("cuCtxSynchronize", &[]);
    assert_eq!(driver.download::<u32>(number), [5]);
}

#[test]
fn what_may_not_be_done_while_a_stream_is_captured() {
    let driver = Driver::start(Mode::Check);
    let stream = driver.make("cuStreamCreate", &[NON_BLOCKING]);
    let mut made = 0usize;
    assert_eq!(driver.call("cuStreamEndCapture", &[stream, place(&mut made)]), ILLEGAL_STATE);
    assert_eq!(driver.call("cuStreamBeginCapture_v2", &[0, 0]), CAPTURE_UNSUPPORTED);
    assert_eq!(driver.call("cuStreamBeginCapture_v2", &[stream, 9]), INVALID_VALUE);
    for (name, arguments) in [
        ("cuStreamSynchronize", vec![stream]),
        ("cuStreamQuery", vec![stream]),
        ("cuCtxSynchronize", vec![]),
        ("cuMemAlloc_v2", vec![place(&mut made), 4]),
        ("cuModuleLoadData", vec![place(&mut made), place(&mut made)]),
    ] {
        driver.must("cuStreamBeginCapture_v2", &[stream, 0]);
        assert_eq!(driver.call("cuStreamBeginCapture_v2", &[stream, 0]), ILLEGAL_STATE);
        assert_eq!(driver.call(name, &arguments), CAPTURE_UNSUPPORTED, "{name}");
        let ended = driver.call("cuStreamEndCapture", &[stream, place(&mut made)]);
        assert_eq!(ended, CAPTURE_INVALIDATED, "{name}");
    }
    // In relaxed mode memory may be allocated.
    driver.must("cuStreamBeginCapture_v2", &[stream, RELAXED]);
    driver.allocate(4);
    driver.must("cuStreamEndCapture", &[stream, place(&mut made)]);
}

#[test]
fn freeing_memory_with_work_on_it() {
    for (case, says) in [
        ("device", "is freed while work on it is pending: kernel increment"),
        ("host", "is freed while work on it is pending: a copy to the host"),
        ("graph", "kernel increment: its memory has been freed"),
    ] {
        let (is_good, text) = run_alone("free_too_early", &[("CASE", case)]);
        assert!(is_good && text.contains(says), "{case}:\n{text}");
    }
}

#[test]
#[ignore = "freeing_memory_with_work_on_it runs it, in a process of its own"]
fn free_too_early() {
    let driver = Driver::start(Mode::Fast);
    let stream = driver.make("cuStreamCreate", &[NON_BLOCKING]);
    let number = driver.upload(&[0u32]);
    let case = std::env::var("CASE").expect("set");
    if case == "graph" {
        driver.must("cuStreamBeginCapture_v2", &[stream, RELAXED]);
    }
    let pinned = if case == "host" { driver.make("cuMemAllocHost_v2", &[4]) } else { 0 };
    if case == "host" {
        driver.must("cuMemcpyDtoHAsync_v2", &[pinned, number.address, 4, stream]);
    } else {
        increment(&driver, stream, number, 1);
    }
    let result = match case.as_str() {
        "host" => driver.call("cuMemFreeHost", &[pinned]),
        "device" => driver.call("cuMemFree_v2", &[number.address]),
        _ => {
            let mut graph = 0usize;
            driver.must("cuStreamEndCapture", &[stream, place(&mut graph)]);
            let exec = driver.make("cuGraphInstantiateWithFlags", &[graph, 0]);
            driver.must("cuMemFree_v2", &[number.address]);
            driver.must("cuGraphLaunch", &[exec, stream]);
            driver.call("cuStreamSynchronize", &[stream])
        }
    };
    assert_eq!(result, ILLEGAL_ADDRESS);
    assert_eq!(driver.call("cuStreamSynchronize", &[stream]), ILLEGAL_ADDRESS, "for good");
}
