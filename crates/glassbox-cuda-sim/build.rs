//! Compiles the kernels of `glassbox-cuda` and the runtime to `OUT_DIR/{fast,check,stub}/libcuda.so.1`.

use std::path::{Path, PathBuf};
use std::{env, fs, process};

#[allow(dead_code, reason = "the library uses the rest")]
#[path = "build/compile.rs"]
mod compile;

use compile::{Compiler, Mode};

fn main() {
    if let Err(message) = build() {
        println!("cargo::error={}", message.lines().next().unwrap_or_default());
        eprintln!("{message}");
        process::exit(1);
    }
}

fn build() -> Result<(), String> {
    let variable = |name| env::var(name).map_err(|error| format!("{name}: {error}"));
    let (here, out) =
        (PathBuf::from(variable("CARGO_MANIFEST_DIR")?), PathBuf::from(variable("OUT_DIR")?));
    println!("cargo::rerun-if-env-changed=CXX");
    for folder in
        ["build", "runtime", "tests/kernels", "../glassbox-cuda/src", "../glassbox-cuda/ladder"]
    {
        if here.join(folder).exists() {
            println!("cargo::rerun-if-changed={folder}");
        }
    }
    let kernels = kernels(&here)?;
    let kernels: Vec<(&str, &str)> =
        kernels.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let compiler = Compiler {
        runtime: here.join("runtime"),
        headers: vec![here.join("../glassbox-cuda/src/ops")],
        objects: out.join("objects"),
    };
    for mode in [Mode::Fast, Mode::Check] {
        compiler.library(&kernels, mode, &out.join(mode.name()))?;
    }
    compiler.stub(&out.join("stub")).map(|_| ())
}

/// Every .cu file, by its path from its crate.
fn kernels(here: &Path) -> Result<Vec<(String, String)>, String> {
    let mut kernels = Vec::new();
    for (crate_folder, folder) in
        [("../glassbox-cuda", "src"), ("../glassbox-cuda", "ladder"), (".", "tests/kernels")]
    {
        let root = here.join(crate_folder);
        for file in compile::files_in(&root.join(folder)) {
            if file.extension().is_none_or(|ending| ending != "cu") {
                continue;
            }
            let text = fs::read_to_string(&file)
                .map_err(|error| format!("{}: {error}", file.display()))?;
            let name = file.strip_prefix(&root).unwrap_or(&file).display().to_string();
            kernels.push((name, text));
        }
    }
    Ok(kernels)
}
