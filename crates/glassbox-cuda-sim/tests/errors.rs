//! The driver refuses what a driver refuses, with its numbers.

#![cfg(target_os = "linux")]

mod common;

use std::ffi::CString;

use common::Argument::{Memory, Size, Unsigned};
use common::{Argument, Driver, SUCCESS, place, ptx, say, text_at};
use glassbox_cuda_sim::{Mode, run_alone};

const INVALID_VALUE: i32 = 1;
const OUT_OF_MEMORY: i32 = 2;
const NOT_INITIALIZED: i32 = 3;
const INVALID_DEVICE: i32 = 101;
const INVALID_IMAGE: i32 = 200;
const INVALID_CONTEXT: i32 = 201;
const NO_BINARY_FOR_GPU: i32 = 209;
const INVALID_PTX: i32 = 218;
const UNSUPPORTED_PTX_VERSION: i32 = 222;
const INVALID_HANDLE: i32 = 400;
const NOT_FOUND: i32 = 500;
const ILLEGAL_ADDRESS: i32 = 700;
const LAUNCH_FAILED: i32 = 719;

/// No handle that the driver ever gave out.
const NOBODY: usize = 0x1234_5670;

#[test]
fn before_there_is_a_context() {
    let (is_good, text) = run_alone("from_the_beginning", &[]);
    assert!(is_good, "{text}");
}

#[test]
#[ignore = "before_there_is_a_context runs it, in a process of its own"]
fn from_the_beginning() {
    let driver = Driver::load(Mode::Fast);
    let mut made = 0usize;
    let out = place(&mut made);
    let need_a_context: &[(&str, &[usize])] = &[
        ("cuCtxSynchronize", &[]),
        ("cuMemAlloc_v2", &[out, 4]),
        ("cuMemFree_v2", &[NOBODY]),
        ("cuStreamCreate", &[out, 0]),
        ("cuEventCreate", &[out, 0]),
        ("cuModuleLoadData", &[out, out]),
        ("cuMemGetInfo_v2", &[out, out]),
    ];
    driver.must("cuDriverGetVersion", &[out]);
    assert_eq!(made, 12030);
    for (name, arguments) in need_a_context.iter().chain(&[("cuDeviceGetCount", &[out][..])]) {
        assert_eq!(driver.call(name, arguments), NOT_INITIALIZED, "{name}");
    }
    assert_eq!(driver.call("cuInit", &[1]), INVALID_VALUE);
    driver.must("cuInit", &[0]);
    for (name, arguments) in need_a_context {
        assert_eq!(driver.call(name, arguments), INVALID_CONTEXT, "{name}");
    }
    assert_eq!(driver.call("cuDeviceGet", &[out, 1]), INVALID_DEVICE);
    assert_eq!(driver.call("cuDevicePrimaryCtxRetain", &[out, 7]), INVALID_DEVICE);
    assert_eq!(driver.call("cuCtxSetCurrent", &[NOBODY]), INVALID_CONTEXT);
    assert_eq!(driver.call("cuCtxPopCurrent_v2", &[out]), INVALID_CONTEXT);
    contexts_come_and_go(&driver);
}

fn contexts_come_and_go(driver: &Driver) {
    let context = driver.make("cuDevicePrimaryCtxRetain", &[0]);
    assert_eq!(driver.make("cuCtxGetCurrent", &[]), 0, "retaining does not make current");
    driver.must("cuCtxPushCurrent_v2", &[context]);
    assert_eq!(driver.make("cuCtxGetCurrent", &[]), context);
    let stream = driver.make("cuStreamCreate", &[0]);
    let memory = driver.allocate(4);
    // A context is current in one thread, and not in others.
    std::thread::scope(|scope| {
        let elsewhere = scope.spawn(|| driver.call("cuCtxSynchronize", &[]));
        assert_eq!(elsewhere.join().expect("no panic"), INVALID_CONTEXT);
    });
    driver.must("cuDevicePrimaryCtxRelease_v2", &[0]);
    assert_eq!(driver.call("cuStreamSynchronize", &[stream]), INVALID_CONTEXT);
    driver.make_current();
    assert_eq!(driver.call("cuStreamSynchronize", &[stream]), INVALID_HANDLE);
    assert_eq!(driver.call("cuMemFree_v2", &[memory.address]), INVALID_VALUE);
}

#[test]
fn handles_that_are_none() {
    let driver = Driver::start(Mode::Fast);
    let (memory, mut value) = (driver.allocate(4), 0usize);
    let (address, out) = (memory.address, place(&mut value));
    let calls: &[(&str, &[usize])] = &[
        ("cuStreamSynchronize", &[NOBODY]),
        ("cuStreamQuery", &[NOBODY]),
        ("cuStreamDestroy_v2", &[NOBODY]),
        ("cuStreamWaitEvent", &[0, NOBODY, 0]),
        ("cuStreamBeginCapture_v2", &[NOBODY, 0]),
        ("cuStreamEndCapture", &[NOBODY, out]),
        ("cuStreamIsCapturing", &[NOBODY, out]),
        ("cuEventRecord", &[NOBODY, 0]),
        ("cuEventSynchronize", &[NOBODY]),
        ("cuEventQuery", &[NOBODY]),
        ("cuEventDestroy_v2", &[NOBODY]),
        ("cuModuleUnload", &[NOBODY]),
        ("cuModuleGetFunction", &[out, NOBODY, out]),
        ("cuFuncSetAttribute", &[NOBODY, 8, 0]),
        ("cuFuncGetAttribute", &[out, 0, NOBODY]),
        ("cuGraphInstantiateWithFlags", &[out, NOBODY, 0]),
        ("cuGraphLaunch", &[NOBODY, 0]),
        ("cuGraphExecDestroy", &[NOBODY]),
        ("cuGraphDestroy", &[NOBODY]),
        ("cuMemsetD8Async", &[address, 0, 4, NOBODY]),
        ("cuMemcpyHtoDAsync_v2", &[address, out, 4, NOBODY]),
        ("cuMemcpyDtoHAsync_v2", &[out, address, 4, NOBODY]),
        ("cuMemcpyDtoDAsync_v2", &[address, address, 4, NOBODY]),
        ("cuLaunchKernel", &[NOBODY, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0]),
    ];
    for (name, arguments) in calls {
        assert_eq!(driver.call(name, arguments), INVALID_HANDLE, "{name}");
    }
}

#[test]
fn memory_that_is_none() {
    let driver = Driver::start(Mode::Fast);
    let (memory, mut value) = (driver.allocate(12), 0usize);
    let (address, out) = (memory.address, place(&mut value));
    let calls: &[(&str, &[usize])] = &[
        ("cuMemAlloc_v2", &[out, 0]),
        ("cuMemAlloc_v2", &[0, 4]),
        ("cuMemFree_v2", &[address + 4]),
        ("cuMemFree_v2", &[NOBODY]),
        ("cuMemFreeHost", &[address]),
        ("cuMemsetD8Async", &[address, 0, 13, 0]),
        ("cuMemsetD32Async", &[address + 1, 0, 1, 0]),
        ("cuMemcpyHtoDAsync_v2", &[address + 8, out, 8, 0]),
        ("cuMemcpyDtoHAsync_v2", &[out, address - 4, 8, 0]),
        ("cuMemcpyDtoDAsync_v2", &[address, NOBODY, 4, 0]),
    ];
    for (name, arguments) in calls {
        assert_eq!(driver.call(name, arguments), INVALID_VALUE, "{name} {arguments:?}");
    }
    // Nothing to do is done, wherever it is.
    driver.must("cuMemcpyDtoHAsync_v2", &[0, 0, 0, 0]);
    driver.must("cuMemsetD8Async", &[address, 7, 12, 0]);
    driver.must("cuMemsetD32Async", &[address + 4, 0x01020304, 1, 0]);
    assert_eq!(driver.download::<u8>(memory), [7, 7, 7, 7, 4, 3, 2, 1, 7, 7, 7, 7]);
    assert_eq!(driver.call("cuMemAlloc_v2", &[out, 1 << 40]), OUT_OF_MEMORY);
    driver.must("cuMemFree_v2", &[address]);
    assert_eq!(driver.call("cuMemFree_v2", &[address]), INVALID_VALUE, "freed twice");
}

#[test]
fn what_a_place_is() {
    let driver = Driver::start(Mode::Fast);
    let ask = |address: usize| {
        let (mut kind, mut device, mut start, mut bytes) = (9u32, 9i32, 9usize, 9usize);
        let which = [2i32, 9, 11, 12];
        let values = [place(&mut kind), place(&mut device), place(&mut start), place(&mut bytes)];
        let words = [4, which.as_ptr() as usize, values.as_ptr() as usize, address];
        driver.must("cuPointerGetAttributes", &words);
        (kind, device, start, bytes)
    };
    let (memory, pinned) = (driver.allocate(12), driver.make("cuMemAllocHost_v2", &[8]));
    let (address, mut host) = (memory.address, 0u32);
    assert_eq!([address, address + 11].map(ask), [(2, 0, address, 12); 2]);
    assert_eq!(ask(pinned + 7), (1, 0, pinned, 8));
    driver.must("cuMemFree_v2", &[address]);
    for nobodys in [address, pinned + 8, place(&mut host), 0, NOBODY] {
        assert_eq!(ask(nobodys), (0, -2, 0, 0), "{nobodys:#x}");
    }
    let (unknown, values) = ([99i32], [place(&mut host)]);
    let (which, values) = (unknown.as_ptr() as usize, values.as_ptr() as usize);
    for words in [[1, which, values, pinned], [0, which, values, pinned], [1, 0, values, pinned]] {
        assert_eq!(driver.call("cuPointerGetAttributes", &words), INVALID_VALUE, "{words:?}");
    }
}

#[test]
fn launches_that_cannot_be() {
    let driver = Driver::start(Mode::Fast);
    let number = driver.upload(&[0u32]);
    let launch = |grid, block, dynamic_bytes| {
        let arguments = [Memory(number), Unsigned(1)];
        driver.launch_in(0, "increment", grid, block, dynamic_bytes, &arguments)
    };
    for (grid, block, dynamic_bytes) in [
        ([0, 1, 1], [1, 1, 1], 0),
        ([1, 65536, 1], [1, 1, 1], 0),
        ([1, 1, 1], [0, 1, 1], 0),
        ([1, 1, 1], [1025, 1, 1], 0),
        ([1, 1, 1], [32, 33, 1], 0),
        ([1, 1, 1], [1, 1, 65], 0),
        ([1, 1, 1], [1, 1, 1], 49153),
    ] {
        let result = launch(grid, block, dynamic_bytes);
        assert_eq!(result, INVALID_VALUE, "{grid:?} {block:?} {dynamic_bytes}");
    }
    driver.must("cuCtxSynchronize", &[]);
    assert_eq!(driver.download::<u32>(number), [0]);
    let function = driver.function("increment", &[Memory(number), Unsigned(1)]);
    let words = [function, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0];
    assert_eq!(driver.call("cuLaunchKernel", &words), INVALID_VALUE, "no arguments");
    assert_eq!(driver.call("cuLaunchKernelEx", &[0, function, 0, 0]), INVALID_VALUE, "no sizes");
}

#[test]
fn what_a_function_may_ask_for() {
    let driver = Driver::start(Mode::Fast);
    let mut head = ptx("increment", &[".u64 p", ".u32 p"]).replace("\n{", "\n.maxntid 64, 1, 1\n{");
    head = head.replace("\tret;", "\t.shared .align 4 .b8 all[1024];\n\tret;");
    let module = driver.module(&head);
    let name = CString::new("increment").expect("a name");
    let function = driver.make("cuModuleGetFunction", &[module, name.as_ptr() as usize]);
    let attribute = |which| {
        let mut value = 0i32;
        driver.must("cuFuncGetAttribute", &[place(&mut value), which, function]);
        value
    };
    assert_eq!([0, 1, 5, 8].map(attribute), [64, 1024, 75, 48 * 1024 - 1024]);
    let set = |bytes| driver.call("cuFuncSetAttribute", &[function, 8, bytes]);
    assert_eq!(set(227 * 1024), INVALID_VALUE);
    assert_eq!(set(226 * 1024), SUCCESS);
    assert_eq!(attribute(8), 226 * 1024);
    let occupancy = |threads, dynamic_bytes| {
        let mut blocks = 0i32;
        let words = [place(&mut blocks), function, threads, dynamic_bytes];
        driver.must("cuOccupancyMaxActiveBlocksPerMultiprocessor", &words);
        blocks
    };
    assert_eq!(occupancy(64, 0), 32);
    assert_eq!(occupancy(64, 80 * 1024), 2);
    assert_eq!(occupancy(128, 0), 0, "more threads than its launch bounds");
    driver.must("cuModuleUnload", &[module]);
    assert_eq!(set(0), INVALID_HANDLE, "the module is gone");
}

#[test]
fn modules_that_are_none() {
    let driver = Driver::start(Mode::Fast);
    let load = |text: &str| {
        let (text, mut module) = (CString::new(text).expect("a text"), 0usize);
        driver.call("cuModuleLoadData", &[place(&mut module), text.as_ptr() as usize])
    };
    let good = ptx("increment", &[".u64 p", ".u32 p"]);
    assert_eq!(load(&good), SUCCESS);
    assert_eq!(load("\u{7f}ELF"), INVALID_IMAGE);
    assert_eq!(load("// nothing"), INVALID_PTX);
    assert_eq!(load(&good.replace("sm_75", "sm_100")), NO_BINARY_FOR_GPU);
    assert_eq!(load(&good.replace("8.0", "8.4")), UNSUPPORTED_PTX_VERSION);
}

#[test]
fn why_a_module_is_refused_is_written_to_the_error_log() {
    let driver = Driver::start(Mode::Fast);
    let text = ptx("increment", &[".u64 p", ".u32 p"]).replace("8.0", "9.9");
    let (text, mut module) = (CString::new(text).expect("a text"), 0usize);
    let (mut log, options) = ([b'?'; 64], [5i32, 6]);
    let mut load = |room: usize| {
        let mut values = [log.as_mut_ptr() as usize, room];
        let image = text.as_ptr() as usize;
        let words = [place(&mut module), image, 2, options.as_ptr() as usize, place(&mut values)];
        assert_eq!(driver.call("cuModuleLoadDataEx", &words), UNSUPPORTED_PTX_VERSION);
        String::from_utf8_lossy(&log[..values[1]]).into_owned()
    };
    assert_eq!(load(64), "unsupported .version 9.9");
    assert_eq!(load(12), "unsupported", "what fits");
}

#[test]
fn ptx_of_another_source() {
    let driver = Driver::start(Mode::Fast);
    let get = |text: &str, name: &str| {
        let (name, mut function) = (CString::new(name).expect("a name"), 0usize);
        let module = driver.module(text);
        let words = [place(&mut function), module, name.as_ptr() as usize];
        driver.call("cuModuleGetFunction", &words)
    };
    let good = ptx("increment", &[".u64 p", ".u32 p"]);
    assert_eq!(get(&good, "increment"), SUCCESS);
    for stale in [&[".u64 p"][..], &[".u64 p", ".u64 p"], &[".u64 p", ".u32 p", ".u32 p"]] {
        assert_eq!(get(&ptx("increment", stale), "increment"), INVALID_PTX);
        let report = driver.report();
        assert!(report.contains("stale PTX: kernel increment has "), "{report}");
        assert!(report.contains("and 2 parameters (8, 4 bytes) in correct.cu"), "{report}");
    }
    assert_eq!(get(&good, "reverse"), NOT_FOUND);
    assert!(driver.report().contains("stale PTX: no kernel reverse, which correct.cu has"));
    assert_eq!(get(&ptx("nobodys", &[".u32 p"]), "nobodys"), NOT_FOUND);
    assert!(driver.report().contains("stale PTX: kernel nobodys, which no source has"));
    // A name that begins like another is another.
    assert_eq!(get(&good, "incr"), NOT_FOUND);
}

#[test]
fn errors_have_names() {
    let driver = Driver::load(Mode::Fast);
    let text_of = |function: &str, result: i32| {
        let mut text = 0usize;
        let found = driver.call(function, &[result as usize, place(&mut text)]);
        assert_eq!(found, SUCCESS);
        text_at(text)
    };
    assert_eq!(text_of("cuGetErrorName", 719), "CUDA_ERROR_LAUNCH_FAILED");
    assert_eq!(text_of("cuGetErrorString", 2), "out of memory");
    let mut text = 0usize;
    assert_eq!(driver.call("cuGetErrorName", &[12345, place(&mut text)]), INVALID_VALUE);
}

/// What a host program can do wrong with device memory, which shows when the work is carried out.
#[test]
fn memory_that_kernels_and_copies_may_not_touch() {
    for (case, result, says) in [
        ("freed", ILLEGAL_ADDRESS, "use of freed memory"),
        ("host", ILLEGAL_ADDRESS, "an address that is not the device's"),
        ("null", ILLEGAL_ADDRESS, "null pointer"),
        (
            "download",
            ILLEGAL_ADDRESS,
            "copies memory that nobody wrote to the host, from byte 4 of 8",
        ),
        ("copied", LAUNCH_FAILED, "read of unwritten global memory"),
    ] {
        let (_, text) = run_alone("touch", &[("CASE", case)]);
        let expected = format!("result {result}");
        assert!(text.contains(says) && text.contains(&expected), "{case}:\n{text}");
    }
}

#[test]
#[ignore = "memory_that_kernels_and_copies_may_not_touch runs it, in a process of its own"]
fn touch() {
    let driver = Driver::start(Mode::Check);
    let case = std::env::var("CASE").expect("set");
    let (good, mut host) = (driver.upload(&[1f32, 2.0]), [1f32, 2.0]);
    let other = match case.as_str() {
        "host" => common::Memory { address: place(&mut host), bytes: 8 },
        "null" => common::Memory { address: 0, bytes: 8 },
        _ => driver.allocate(8),
    };
    if case == "freed" {
        driver.must("cuMemFree_v2", &[other.address]);
    } else if case == "copied" {
        let more = driver.allocate(8);
        driver.must("cuMemcpyDtoDAsync_v2", &[other.address, more.address, 8, 0]);
    }
    let result = if case == "download" {
        driver.must("cuMemsetD32Async", &[other.address, 1, 1, 0]);
        driver.must("cuMemcpyDtoHAsync_v2", &[place(&mut host), other.address, 8, 0]);
        driver.call("cuCtxSynchronize", &[])
    } else {
        let arguments: [Argument; 4] = [Memory(good), Memory(other), Memory(good), Size(2)];
        driver.run("add", 1, 2, &arguments)
    };
    say(&format!("result {result}"));
}
