//! The first lesson on a GPU, the host's half: upload, launch, download, check. The kernel is
//! `ladder/vector_add.cu`.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use glassbox_cuda::{Engine, Error, ladder};
use std::process::ExitCode;

fn main() -> ExitCode {
    // 0 is the first GPU. This loads the driver, which is all that has to be installed.
    let engine = match Engine::open(0) {
        Ok(engine) => engine,
        // 3 is what all of Glassbox exits with if a device is not available.
        Err(error) => return failed(&error, 3),
    };
    match add_a_million(&engine) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error, 1),
    }
}

fn failed(error: &Error, code: u8) -> ExitCode {
    eprintln!("error: {error}\nhint: {}", error.hint());
    ExitCode::from(code)
}

fn add_a_million(engine: &Engine) -> Result<(), Error> {
    println!("device: {}", engine.context().name());

    // The device has its own memory. Numbers have to be copied there before a kernel can use them.
    let n = 1_000_003;
    let a: Vec<f32> = (0..n).map(|i| i as f32).collect();
    let b: Vec<f32> = (0..n).map(|i| 0.5 * i as f32).collect();
    let (on_device_a, on_device_b) = (engine.upload(&a)?, engine.upload(&b)?);
    let mut out = engine.buffer::<f32>(n)?;

    // A thread for each element, in blocks of 256: as many blocks as it takes, the last one not full.
    let block = 256;
    let grid = n.div_ceil(block);
    println!("launching {grid} blocks of {block} threads for {n} elements");
    let launch = engine.launch(&ladder::VECTOR_ADD, "vector_add")?;
    let launch = launch.grid([grid as u32, 1, 1]).block([block as u32, 1, 1]);
    // SAFETY: the kernel reads n numbers of a and of b and writes as many of out, and they have so many.
    unsafe { launch.arg(&mut out).arg(&on_device_a).arg(&on_device_b).arg(n as u64).run()? };

    // A launch only queues the kernel. Copying the result back waits until it is done.
    let sums = out.download()?;
    for i in 0..n {
        assert_eq!(sums[i], a[i] + b[i], "element {i}");
    }
    println!("all {n} sums are those of the CPU; the last is {}", sums[n - 1]);
    Ok(())
}
