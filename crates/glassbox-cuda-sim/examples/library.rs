//! Compiles kernels to a simulated driver: `library fast|check FOLDER OBJECTS ROOT FILE...`, for `tools/mutants.py`.
//!
//! FOLDER gets `libcuda.so.1`; what is compiled is kept in OBJECTS, and not compiled again; each FILE is a path from ROOT
//! with its headers put in.

use glassbox_cuda_sim::Mode;
use glassbox_cuda_sim::compile::Compiler;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() -> Result<(), String> {
    let words: Vec<String> = env::args().skip(1).collect();
    let [mode, folder, objects, root, names @ ..] = &words[..] else {
        return Err("usage: library fast|check FOLDER OBJECTS ROOT FILE...".into());
    };
    let mode = match &**mode {
        "fast" => Mode::Fast,
        "check" => Mode::Check,
        other => return Err(format!("{other} is no mode: say fast or check")),
    };
    let read = |name: &String| {
        let file = Path::new(root).join(name);
        fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))
    };
    let texts: Vec<String> = names.iter().map(read).collect::<Result<_, _>>()?;
    let kernels: Vec<(&str, &str)> =
        names.iter().map(String::as_str).zip(texts.iter().map(String::as_str)).collect();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let headers = (here.join("../glassbox-cuda/src/ops"), "src/ops".to_string());
    let objects = vec![PathBuf::from(objects)];
    let compiler = Compiler { runtime: here.join("runtime"), headers, objects };
    compiler.library(&kernels, mode, Path::new(folder)).map(|_| ())
}
