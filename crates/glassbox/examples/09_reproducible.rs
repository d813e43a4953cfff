//! Reproducible training: the same bits on the definition, every instruction set and thread count.
#![allow(clippy::print_stdout)]

use glassbox::cpu::fast::{Engine, Simd};
use glassbox::data::digits;
use glassbox::{Device, PlanName, Result, Samples, Settings, Trainer};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

const MODEL: &str = "784-128-relu-dropout0.1-10";

fn main() -> Result<()> {
    let (pixels, labels) = digits::generate(digits::SEED, 0, 320);
    let labels = labels.into_iter().map(u32::from).collect();
    let samples = Samples::images(pixels, labels, digits::PIXELS, 10);

    // The definition, then the fast engine with all that this processor has.
    let mut devices = vec![Device::Reference];
    for simd in Simd::available() {
        for threads in [1, 2] {
            devices.push(Device::Cpu(Arc::new(Engine::new(simd, threads))));
        }
    }
    println!("ten steps of {MODEL}, Nesterov; SHA-256 of the parameters afterwards\n");
    let mut first = None;
    for device in devices {
        let settings =
            Settings { model: MODEL.to_string(), max_steps: Some(10), ..Settings::best() };
        let description = format!("{device:?}");
        let plan = PlanName::Auto.choose(&settings, &device)?.0;
        let mut trainer = Trainer::new(settings, device, plan, samples.clone(), None)?;
        let start = Instant::now();
        trainer.run(&mut (), &AtomicBool::new(false))?;
        let (hash, seconds) = (trainer.network().sha256(), start.elapsed().as_secs_f64());
        println!("{description:<30} {}  {seconds:>6.3} s", &hash[..32]);
        let expected = first.get_or_insert_with(|| hash.clone());
        assert_eq!(&hash, expected, "{description} has other bits");
    }
    println!("\nThe same bits. Why: no sum is ever reordered, see ARCHITECTURE.md.");
    Ok(())
}
