//! A GPU that is lost leaves a network and an optimizer that are wholly the old ones, wherever it happens.
//!
//! Settings of the simulated driver are read once, so each loss happens in a process of its own.

#![cfg(target_os = "linux")]

use glassbox::plan::Steps;
use glassbox::{
    Device, Init, Loss, Moment, Network, Optimizer, PlanName, Reduction, Rule, Samples, Settings,
};
use glassbox_cuda_sim::run_alone;
use std::sync::Arc;

/// What a run of steps left behind, in the words of the process in which the GPU is lost at that read.
fn left(number: u32, clip: &str) -> String {
    let failing = format!("cuMemcpyDtoHAsync_v2:719:{number}");
    let environment = [("GLASSBOX_SIM_FAIL", &*failing), ("CLIP", clip)];
    let (is_good, text) = run_alone("in_a_process_of_its_own", &environment);
    assert!(is_good, "{text}");
    let told = ["all old", "all new", "half new"].into_iter().find(|told| text.contains(told));
    told.unwrap_or_else(|| panic!("it says nothing: {text}")).to_string()
}

#[test]
fn a_loss_between_two_arrays_leaves_the_old_network() {
    // Three steps, and after them come the outcomes, weight and bias of two layers, each with two moments of Adam.
    let reads = 1 + 4 * 3;
    let found: Vec<String> = (1..=reads + 1).map(|number| left(number, "")).collect();
    assert!(found[..reads as usize].iter().all(|left| left == "all old"), "{found:?}");
    assert_eq!(found.last().unwrap(), "all new", "the device is lost after the last array");
}

/// With clipping each operation's result comes back, so what an update changes is changed one by one.
#[test]
fn a_loss_between_two_updates_leaves_the_old_network() {
    for number in (1..=120).step_by(7) {
        let found = left(number, "1");
        assert!(found != "half new", "lost at read {number}");
        assert!(number > 60 || found == "all old", "three steps read more often than {number}");
    }
}

#[test]
#[ignore = "needs its environment"]
#[expect(clippy::print_stdout)]
fn in_a_process_of_its_own() {
    glassbox_cuda_sim::install_default();
    let device = Device::cuda(0).unwrap();
    let clip = std::env::var("CLIP").ok().and_then(|clip| clip.parse().ok());
    let settings = Settings { model: "12-5-relu-3".to_string(), clip, ..Settings::brief() };
    let mut network = Network::new(&settings.model, Init::Xavier, 1).unwrap();
    let mut optimizer = Optimizer::new(Rule::named("adam").unwrap(), 0.0, &network);
    let pixels = (0..9 * 12u32).map(|i| (i * 37 % 256) as u8).collect();
    let labels = (0..9).map(|i| i % 3).collect();
    let samples = Arc::new(Samples::images(pixels, labels, 12, 3));
    let (mut plan, _) = PlanName::Auto.choose(&settings, &device).unwrap();
    let steps = Steps {
        device: &device,
        loss: Loss::CrossEntropy(Reduction::Mean),
        samples: &samples,
        order: &[0, 1, 2, 3, 4, 5, 6, 7, 8],
        batch: 3,
        rates: &[0.1; 3],
        clip,
        moment: Moment { seed: 0, step: 0 },
    };
    let arrays = |network: &Network, optimizer: &Optimizer| -> Vec<Vec<f32>> {
        let values = network.parameters().map(|(_, parameter)| parameter.value.data().to_vec());
        let memory = optimizer.memory().iter().flatten().map(|tensor| tensor.data().to_vec());
        values.chain(memory).collect()
    };
    let before = arrays(&network, &optimizer);
    let lost = plan.run(&mut network, &mut optimizer, &steps).err();
    let after = arrays(&network, &optimizer);
    let changed = before.iter().zip(&after).filter(|(old, new)| old != new).count();
    let is_lost = lost.as_ref().is_some_and(|error| error.is_lost_gpu());
    println!(
        "{}",
        match (lost.is_some(), changed, optimizer.steps()) {
            (true, 0, 0) if is_lost => "all old",
            (false, changed, 3) if changed == before.len() => "all new",
            _ => "half new",
        }
    );
}
