//! Faults on demand: what the environment says of the device and the driver.

#![cfg(target_os = "linux")]

mod common;

use common::Argument::{Memory, Unsigned};
use common::{Driver, SUCCESS, place, ptx, text_at};
use glassbox_cuda_sim::{Mode, run_alone, stub_dir};

/// Runs the test of this name in a process with this environment.
fn with(variable: &str, value: &str, test: &str) {
    let (is_good, text) = run_alone(test, &[(variable, value)]);
    assert!(is_good, "{variable}={value}\n{text}");
}

#[test]
fn the_environment_is_heeded() {
    with("GLASSBOX_SIM_DEVICES", "0", "no_device");
    with("GLASSBOX_SIM_DRIVER", "11040", "an_old_driver");
    with("GLASSBOX_SIM_CAPABILITY", "75", "an_old_chip");
    with("GLASSBOX_SIM_MEMORY", "1000", "little_memory");
    with("GLASSBOX_SIM_LOST_AFTER", "3", "a_lost_device");
    with("GLASSBOX_SIM_FAIL", "cuMemAlloc_v2:4242:2", "a_function_that_fails");
    with("GLASSBOX_SIM_FAIL", "cuMemsetD32Async:2", "a_function_that_always_fails");
    with("GLASSBOX_SIM_FAIL", "cuMemAlloc_v2", "a_setting_that_is_none");
    with("GLASSBOX_SIM_ORDER", "sideways", "a_setting_that_is_none");
    for (variable, value) in [
        ("MEMORY", "much"),
        ("MEMORY", "-5"),
        ("MEMORY", "99999999999999999999999"),
        ("DRIVER", "x"),
        ("CAPABILITY", "8.0"),
        ("DEVICES", "2"),
        ("LOST_AFTER", "soon"),
    ] {
        with(&format!("GLASSBOX_SIM_{variable}"), value, "a_setting_that_is_none");
    }
}

#[test]
#[ignore = "needs its environment"]
fn no_device() {
    let driver = Driver::load(Mode::Fast);
    let mut count = 9u32;
    assert_eq!(driver.call("cuInit", &[0]), 100);
    assert_eq!(driver.call("cuDeviceGetCount", &[place(&mut count)]), 3);
}

#[test]
#[ignore = "needs its environment"]
fn an_old_driver() {
    let driver = Driver::start(Mode::Fast);
    let mut version = 0u32;
    driver.must("cuDriverGetVersion", &[place(&mut version)]);
    assert_eq!(version, 11040);
    let text = ptx("increment", &[".u64 p", ".u32 p"]);
    let load = |text: &str| {
        let (text, mut module) = (std::ffi::CString::new(text).expect("a text"), 0usize);
        driver.call("cuModuleLoadData", &[place(&mut module), text.as_ptr() as usize])
    };
    assert_eq!(load(&text), 222);
    assert_eq!(load(&text.replace("8.0", "7.4")), SUCCESS);
}

#[test]
#[ignore = "needs its environment"]
fn an_old_chip() {
    let driver = Driver::start(Mode::Fast);
    let attribute = |which| {
        let mut value = 0i32;
        driver.must("cuDeviceGetAttribute", &[place(&mut value), which, 0]);
        value
    };
    assert_eq!([75, 76, 10, 97].map(attribute), [7, 5, 32, 65536]);
    let text = std::ffi::CString::new(ptx("increment", &[".u64 p"]).replace("sm_75", "sm_80"));
    let (text, mut module) = (text.expect("a text"), 0usize);
    let load = driver.call("cuModuleLoadData", &[place(&mut module), text.as_ptr() as usize]);
    assert_eq!(load, 209);
}

#[test]
#[ignore = "needs its environment"]
fn little_memory() {
    let driver = Driver::start(Mode::Fast);
    let (mut free, mut total, mut made) = (0usize, 0usize, 0usize);
    let memory = driver.allocate(600);
    driver.must("cuMemGetInfo_v2", &[place(&mut free), place(&mut total)]);
    assert_eq!((free, total), (400, 1000));
    assert_eq!(driver.call("cuMemAlloc_v2", &[place(&mut made), 401]), 2);
    driver.must("cuMemFree_v2", &[memory.address]);
    driver.allocate(1000);
}

#[test]
#[ignore = "needs its environment"]
fn a_lost_device() {
    let driver = Driver::start(Mode::Fast);
    let number = driver.upload(&[0u32]);
    let increment = || driver.run("increment", 1, 1, &[Memory(number), Unsigned(1)]);
    assert_eq!([(); 2].map(|()| increment()), [SUCCESS; 2]);
    assert_eq!(driver.download::<u32>(number), [2]);
    let launched =
        driver.launch_in(0, "increment", [1; 3], [1; 3], 0, &[Memory(number), Unsigned(1)]);
    assert_eq!(launched, SUCCESS, "it is lost when the kernel is carried out");
    assert_eq!(driver.call("cuCtxSynchronize", &[]), 719);
    assert_eq!(driver.call("cuMemFree_v2", &[number.address]), 719);
    assert!(driver.report().contains("the device is lost"));
}

#[test]
#[ignore = "needs its environment"]
fn a_function_that_fails() {
    let driver = Driver::start(Mode::Fast);
    let mut made = 0usize;
    let results = [(); 3].map(|()| driver.call("cuMemAlloc_v2", &[place(&mut made), 4]));
    assert_eq!(results, [SUCCESS, 4242, SUCCESS]);
}

#[test]
#[ignore = "needs its environment"]
fn a_function_that_always_fails() {
    let driver = Driver::start(Mode::Fast);
    let memory = driver.allocate(4);
    let results = [(); 2].map(|()| driver.call("cuMemsetD32Async", &[memory.address, 1, 1, 0]));
    assert_eq!(results, [2, 2]);
    driver.must("cuMemsetD8Async", &[memory.address, 1, 4, 0]);
}

#[test]
#[ignore = "needs its environment"]
fn a_setting_that_is_none() {
    let driver = Driver::load(Mode::Fast);
    let mut version = 0u32;
    assert_eq!(driver.call("cuDriverGetVersion", &[place(&mut version)]), 999);
    assert_eq!(driver.call("cuInit", &[0]), 999);
    assert!(driver.report().contains("GLASSBOX_SIM_"), "{}", driver.report());
    // Programs that ask what 999 means are told the same.
    let mut text = 0usize;
    driver.must("cuGetErrorString", &[999, place(&mut text)]);
    assert_eq!(text_at(text), driver.report());
}

#[test]
fn a_driver_that_lacks_functions() {
    let driver = Driver::load_file(&stub_dir().join("libcuda.so.1"));
    let mut version = 0u32;
    driver.must("cuInit", &[0]);
    driver.must("cuDriverGetVersion", &[place(&mut version)]);
    assert_eq!(version, 12000);
    assert!(driver.has("cuGetErrorString") && !driver.has("cuMemAlloc_v2"));
}
