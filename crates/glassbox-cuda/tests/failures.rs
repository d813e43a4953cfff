//! What a driver or a device can refuse is an error with the facts, and ends with a hint.

mod common;

use common::{carry_out, with};
use glassbox_cuda::ladder::VECTOR_ADD;
use glassbox_cuda::{Engine, Error, Image, ops};

fn open() -> Result<Engine, Error> {
    glassbox_cuda_sim::install_default();
    Engine::open(0)
}

#[test]
fn a_driver_that_refuses_kernels_is_found_when_the_device_is_opened() {
    for (code, hint) in [
        ("209", "newer GPU"),
        ("218", "report it"),
        ("221", "libnvidia-ptxjitcompiler"),
        ("222", "install a newer driver"),
        ("223", "unset CUDA_DISABLE_PTX_JIT"),
    ] {
        // Some drivers translate a kernel when they load its file, and some when they are asked for it.
        for function in ["cuModuleLoadDataEx", "cuModuleGetFunction"] {
            let failing = format!("{function}:{code}");
            let environment = [("GLASSBOX_SIM_FAIL", &*failing), ("CODE", code), ("HINT", hint)];
            with(&environment, "kernels_are_refused");
        }
    }
}

#[test]
#[ignore = "needs its environment"]
fn kernels_are_refused() {
    let [expected, hint] = ["CODE", "HINT"].map(|name| std::env::var(name).expect("set"));
    let error = open().err().expect("the driver refuses");
    assert!(error.hint().contains(&hint), "{error}: {}", error.hint());
    let Error::KernelsRefused { file, code, .. } = error else { panic!("{error}") };
    assert_eq!((file, code.to_string()), ("vector_add", expected));
}

#[test]
fn what_the_compiler_says_is_in_the_error() {
    with(&[], "a_file_of_another_time");
}

#[test]
#[ignore = "uses the words of the simulated driver"]
fn a_file_of_another_time() {
    static LATER: Image =
        Image { name: "later", ptx: ".version 9.9\n.target sm_75\n", capability: 75 };
    let engine = open().unwrap();
    let error = engine.launch(&LATER, "later").err().expect("the driver refuses");
    assert!(matches!(error, Error::KernelsRefused { file: "later", code: 222, .. }), "{error}");
    assert!(error.to_string().ends_with("\nunsupported .version 9.9"), "{error}");
    // The others are as good as before.
    assert!(engine.launch(&VECTOR_ADD, "vector_add").is_ok());
}

#[test]
fn memory_runs_out_wherever_the_driver_needs_some() {
    for function in [
        "cuDevicePrimaryCtxRetain",
        "cuStreamCreate",
        "cuModuleLoadDataEx",
        "cuMemAlloc_v2",
        "cuLaunchKernelEx",
        "cuGraphInstantiateWithFlags",
        "cuGraphLaunch",
    ] {
        let failing = format!("{function}:2");
        with(&[("GLASSBOX_SIM_FAIL", &failing), ("FUNCTION", function)], "memory_runs_out");
    }
}

/// What the pools have is given back first, so memory that runs out once is no failure.
#[test]
fn memory_that_the_pools_had_serves() {
    for function in ["cuModuleLoadDataEx", "cuMemAlloc_v2", "cuGraphInstantiateWithFlags"] {
        with(&[("GLASSBOX_SIM_FAIL", &format!("{function}:2:2"))], "memory_runs_out_once");
        with(&[("GLASSBOX_SIM_FAIL", &format!("{function}:2:1"))], "memory_runs_out_once");
    }
}

#[test]
#[ignore = "needs its environment"]
fn memory_runs_out_once() {
    work().unwrap();
}

/// A little of everything.
fn work() -> Result<(), Error> {
    let engine = open()?;
    let mut numbers = engine.zeros::<f32>(4)?;
    ops::fill(&engine, &mut numbers, 1.0)?;
    let graph = engine.capture(|| numbers.clear())?;
    carry_out(&graph, &engine)
}

#[test]
#[ignore = "needs its environment"]
fn memory_runs_out() {
    let function = std::env::var("FUNCTION").expect("set");
    let error = work().expect_err("the driver has no memory");
    let Error::OutOfMemory { call, wanted, memory } = error else { panic!("{error}") };
    assert!(function.starts_with(call), "{call}");
    assert_eq!(wanted.is_some(), call == "cuMemAlloc", "{wanted:?}");
    // Before there is a context, the driver does not tell.
    assert_eq!(memory.is_none(), call == "cuDevicePrimaryCtxRetain", "{memory:?}");
    let text = error.to_string();
    assert_eq!(text.contains(" are free"), memory.is_some(), "{text}");
}

#[test]
fn a_number_that_no_one_knows_is_told() {
    with(&[("GLASSBOX_SIM_FAIL", "cuGraphLaunch:4242")], "an_unknown_number");
}

#[test]
#[ignore = "needs its environment"]
fn an_unknown_number() {
    let error = work().expect_err("the driver fails");
    let Error::Driver { call, code, name, .. } = &error else { panic!("{error}") };
    assert_eq!((*call, *code, &**name), ("cuGraphLaunch", 4242, "unknown"));
}
