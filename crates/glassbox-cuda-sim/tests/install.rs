//! Whoever asks for the CUDA driver gets ours; tools compile kernels of their own.

#![cfg(target_os = "linux")]

mod common;

use std::path::Path;

use common::Argument::{Memory, Unsigned};
use common::{Driver, SUCCESS, has_function};
use glassbox_cuda_sim::{Mode, compile_library, install_default, library_dir, run_alone};

fn is_ours(name: &str) -> bool {
    has_function(name, "glassbox_sim_report")
}

#[test]
fn both_names_of_the_driver_are_ours() {
    for mode in ["fast", "check"] {
        let (is_good, text) = run_alone("ask_for_the_driver", &[("GLASSBOX_CUDA_SIM", mode)]);
        assert!(is_good, "{mode}\n{text}");
    }
    let stub = glassbox_cuda_sim::stub_dir().join("libcuda.so.1");
    let stub = [("GLASSBOX_CUDA_LIBRARY", stub.to_str().expect("UTF-8"))];
    for environment in [&[("GLASSBOX_CUDA_REAL", "1")][..], &stub] {
        let (is_good, text) = run_alone("ask_for_another_driver", environment);
        assert!(is_good, "{environment:?}\n{text}");
    }
    let (is_good, text) = run_alone("ask_for_the_driver", &[("GLASSBOX_CUDA_SIM", "slow")]);
    assert!(!is_good && text.contains("say fast or check"), "{text}");
}

#[test]
#[ignore = "both_names_of_the_driver_are_ours runs it, in a process of its own"]
fn ask_for_the_driver() {
    assert!(!is_ours("libcuda.so") && !is_ours("libcuda.so.1"));
    install_default();
    assert!(is_ours("libcuda.so") && is_ours("libcuda.so.1"));
}

#[test]
#[ignore = "both_names_of_the_driver_are_ours runs it, in a process of its own"]
fn ask_for_another_driver() {
    install_default();
    assert!(!is_ours("libcuda.so") && !is_ours("libcuda.so.1"));
}

#[test]
fn the_libraries_are_where_they_are_said_to_be() {
    for mode in [Mode::Fast, Mode::Check] {
        for name in ["libcuda.so", "libcuda.so.1"] {
            assert!(library_dir(mode).join(name).is_file(), "{mode:?} {name}");
        }
    }
}

/// What a tool does that changes kernels and looks whether a test notices.
#[test]
fn kernels_and_headers_are_changed() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("glassbox-cuda-sim/changed");
    let kernel = "#include \"amount.cuh\"\n\
                  extern \"C\" __global__ void add_amount(unsigned* out, unsigned x) { *out = x + AMOUNT; }\n";
    for amount in [1, 2] {
        let header = format!("#define AMOUNT {amount}\n");
        let texts = [("changed.cu", kernel), ("amount.cuh", &*header)];
        let library = compile_library(&texts, Mode::Check, &folder.join(amount.to_string()));
        let driver = Driver::load_file(&library.unwrap_or_else(|error| panic!("{error}")));
        driver.make_current();
        let out = driver.allocate(4);
        assert_eq!(driver.run("add_amount", 1, 1, &[Memory(out), Unsigned(10)]), SUCCESS);
        assert_eq!(driver.download::<u32>(out), [10 + amount]);
    }
    let error = compile_library(&[("wrong.cu", "\n\nint f( {")], Mode::Fast, &folder);
    assert!(error.is_err_and(|error| error.contains("wrong.cu:3")));
    let twice = [("one.cu", kernel), ("two.cu", kernel)];
    let error = compile_library(&twice, Mode::Fast, &folder);
    assert!(error.is_err_and(|error| error.contains("add_amount is in one.cu and in two.cu")));
}
