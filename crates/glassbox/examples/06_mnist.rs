//! Week 5, MNIST: a data set, a trainer, a listener, and an honest number at the end.
#![allow(clippy::print_stdout)]

use glassbox::data::{DataError, LoadOptions, load};
use glassbox::{Device, Event, PlanName, Result, Samples, Settings, Sink, Trainer, evaluate};
use std::sync::atomic::AtomicBool;

/// The trainer knows no listener; whoever wants to hear implements `Sink`.
struct Printer;

impl Sink for Printer {
    fn event(&mut self, event: &Event) -> Result<()> {
        match event {
            Event::Started { network, parameters, untrained: Some([found, expected]), .. } => {
                println!("{network}: {parameters} parameters");
                println!("untrained loss {found:.3}; knowing nothing it is ln 10 = {expected:.3}");
            }
            Event::Step { step, loss, epoch_accuracy: Some(accuracy), .. } if step % 100 == 0 => {
                let percent = 100.0 * accuracy;
                println!("step {step:>4}  loss {loss:.4}  accuracy so far {percent:.1} %");
            }
            _ => {}
        }
        Ok(())
    }
}

fn main() -> Result<()> {
    // GLASSBOX_DATA and the cache are looked at. Nothing is fetched that was not asked for.
    let options = LoadOptions { allow_download: false, ..LoadOptions::from_env() };
    let data = match load("mnist", &options) {
        Err(DataError::NotAtHand(_)) => {
            println!("MNIST is not at hand: these are the built-in synthetic digits instead");
            load("digits", &options)?
        }
        found => found?,
    };
    let name = data.train.name.clone();
    println!("{name}: {} training images", data.train.len());

    let settings = Settings { epochs: 1, max_steps: Some(600), ..Settings::best() };
    let device = Device::cpu(None)?;
    let plan = PlanName::Auto.choose(&settings, &device)?.0;
    let mut trainer =
        Trainer::new(settings, device.clone(), plan, Samples::new(data.train)?, None)?;
    trainer.run(&mut Printer, &AtomicBool::new(false))?;

    // Judged on images that it has not seen, with how far chance alone could move the number.
    let test = Samples::new(data.test)?;
    let found = evaluate(trainer.network_mut(), &device, &test)?;
    let percent = |share: f64| format!("{:.2} %", 100.0 * share);
    let interval = found.confusion.accuracy_interval();
    let (low, high) = (percent(interval.low), percent(interval.high));
    println!("\n{} of {} test images of {name}", percent(found.accuracy), test.len());
    println!("95 % confidence {low} to {high}\n{}", found.confusion);
    Ok(())
}
