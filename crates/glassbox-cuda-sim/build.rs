//! Compiles the kernels of `glassbox-cuda` and the runtime to `OUT_DIR/{fast,check,stub}/libcuda.so.1`.

#[allow(dead_code, reason = "the library uses the rest")]
#[path = "build/compile.rs"]
mod compile;

use std::path::{Path, PathBuf};
use std::{env, fs};

use compile::{Compiler, Job, Mode};

/// Where kernels are.
const FOLDERS: [&str; 2] = ["src", "ladder"];

fn main() {
    if let Err(message) = build() {
        for line in message.lines() {
            println!("cargo::error={line}");
        }
    }
}

fn build() -> Result<(), String> {
    let variable = |name| env::var(name).map_err(|error| format!("{name}: {error}"));
    // Elsewhere the library compiles, and says when it is asked to do something.
    if variable("CARGO_CFG_TARGET_OS")? != "linux" {
        return Ok(());
    }
    let here = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(variable("OUT_DIR")?);
    let engine = here.join("../glassbox-cuda");
    println!("cargo::rerun-if-env-changed=CXX");
    println!("cargo::rerun-if-env-changed=CXXFLAGS");
    let watched = [here.join("build"), here.join("runtime"), engine.clone()];
    for folder in watched.iter().filter(|folder| folder.exists()) {
        println!("cargo::rerun-if-changed={}", folder.display());
    }
    let kernels = kernels(&engine)?;
    let kernels: Vec<(&str, &str)> =
        kernels.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let compiler = Compiler {
        runtime: here.join("runtime"),
        headers: (engine.join("src/ops"), "src/ops".into()),
        objects: vec![out.join("objects")],
    };
    let mut jobs = vec![compiler.stub_job()?];
    compile::make_library(&jobs, &out.join("stub"))?;
    for mode in [Mode::Fast, Mode::Check] {
        let folder = out.join(mode.name());
        let of_mode = compiler.jobs(&kernels, mode, &folder)?;
        compile::make_library(&of_mode, &folder)?;
        jobs.extend(of_mode);
    }
    forget_others(&jobs, &compiler.objects[0]);
    Ok(())
}

/// Objects of texts that have changed since are of no use.
fn forget_others(jobs: &[Job], folder: &Path) {
    let used: Vec<_> = jobs.iter().filter_map(|job| job.object.file_stem()).collect();
    for file in compile::files_in(folder) {
        if !used.iter().any(|stem| file.file_stem() == Some(stem)) {
            let _ = fs::remove_file(file);
        }
    }
}

/// Every .cu file, by its path from its crate, and the headers that lie beside them.
fn kernels(engine: &Path) -> Result<Vec<(String, String)>, String> {
    let files = FOLDERS.iter().flat_map(|folder| compile::files_in(&engine.join(folder)));
    let shared = engine.join("src/ops");
    let kernels = files.filter(|file| match file.extension().and_then(|ending| ending.to_str()) {
        Some("cuh") => !file.starts_with(&shared),
        ending => ending == Some("cu"),
    });
    let read = |file: PathBuf| {
        let text =
            fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        Ok((file.strip_prefix(engine).unwrap_or(&file).display().to_string(), text))
    };
    kernels.map(read).collect()
}
