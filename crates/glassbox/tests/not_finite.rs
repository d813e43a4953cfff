//! NaN and infinities are named: layer, tensor, step and place, whatever was hit and wherever it lies.

mod ward;

use glassbox::cpu::reference::philox::{Philox, Purpose};
use glassbox::layers::{Layer, Pass};
use glassbox::{
    Device, Error, Event, Finding, Init, Inputs, Network, Parameter, PlanName, Result, Rule,
    Samples, Settings, Sink, Tensor, Trainer,
};
use std::sync::atomic::AtomicBool;
use ward::{plain, some_digits, values};

/// What is hit.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Hit {
    Output,
    /// The gradient of the layer's input, which is the output of the layer before.
    InputGradient,
    Gradient,
    Weight,
}

/// A layer whose numbers are hit at one step.
struct Sick {
    inner: Box<dyn Layer>,
    hit: Hit,
    /// The step, counted from 0.
    step: u32,
    value: f32,
}

impl Sick {
    fn is_hit(&self, pass: &Pass, what: Hit) -> bool {
        self.hit == what && pass.moment.is_some_and(|moment| moment.step == self.step)
    }
}

/// Changes the number in the middle.
fn put(value: f32, numbers: &mut Tensor) {
    numbers.set(numbers.len() / 2, value.into());
}

impl Layer for Sick {
    fn text(&self) -> String {
        self.inner.text()
    }

    fn width(&self, input: usize) -> usize {
        self.inner.width(input)
    }

    fn forward(&self, pass: &Pass, y: &mut Tensor, x: &Tensor) -> Result<()> {
        self.inner.forward(pass, y, x)?;
        if self.is_hit(pass, Hit::Output) {
            put(self.value, y);
        }
        Ok(())
    }

    fn backward(
        &mut self,
        pass: &Pass,
        mut dx: Option<&mut Tensor>,
        dy: &Tensor,
        x: &Tensor,
        y: &Tensor,
    ) -> Result<()> {
        self.inner.backward(pass, dx.as_deref_mut(), dy, x, y)?;
        if let (Some(dx), true) = (dx, self.is_hit(pass, Hit::InputGradient)) {
            put(self.value, dx);
        }
        let hits = [Hit::Gradient, Hit::Weight].map(|what| self.is_hit(pass, what));
        if let Some(weight) = self.inner.parameters_mut().first_mut() {
            match hits {
                [true, _] => put(self.value, &mut weight.gradient),
                [_, true] => put(self.value, &mut weight.value),
                _ => {}
            }
        }
        Ok(())
    }

    fn parameters(&self) -> &[Parameter] {
        self.inner.parameters()
    }

    fn parameters_mut(&mut self) -> &mut [Parameter] {
        self.inner.parameters_mut()
    }

    fn boxed_clone(&self) -> Box<dyn Layer> {
        Box::new(Sick { inner: self.inner.boxed_clone(), ..*self })
    }
}

/// Hears how far a run came, and what it was told.
#[derive(Default)]
struct Ears {
    step: u64,
    loss: f64,
    warnings: Vec<Finding>,
}

impl Sink for Ears {
    fn event(&mut self, event: &Event) -> Result<()> {
        match event.clone() {
            Event::Step { step, loss, .. } => (self.step, self.loss) = (step, loss),
            Event::Warning { step, code, what, cause, cure } => {
                self.warnings.push(Finding { step, code, what, cause, cure });
            }
            _ => {}
        }
        Ok(())
    }
}

const MODEL: &str = "6-9-tanh-8-leaky0.2-7-sigmoid-3";

/// One through which infinities pass: tanh and sigmoid make 1 of them.
const OPEN: &str = "6-9-leaky0.3-8-leaky0.2-7-leaky0.1-3";
const LAYERS: usize = 7;
const HITS: [Hit; 4] = [Hit::Output, Hit::InputGradient, Hit::Gradient, Hit::Weight];
const DENSE: [usize; 4] = [0, 2, 4, 6];

fn settings(model: &str) -> Settings {
    let loss = glassbox::LossName::MeanSquaredError;
    Settings { model: model.to_string(), loss, epochs: 3, batch: 10, ..plain() }
}

fn samples() -> Samples {
    values(200, 6, 9, |x| [x[0] * x[1], x[2], x[3] - x[4]])
}

/// The healthy network with layer `index` made sick.
fn network(model: &str, index: usize, hit: Hit, step: u32, value: f32) -> Network {
    let healthy = Network::new(model, Init::Xavier, 5).unwrap();
    let layers = healthy.layers().iter().enumerate().map(|(at, layer)| {
        let inner = layer.boxed_clone();
        match at == index {
            true => Box::new(Sick { inner, hit, step, value }) as Box<dyn Layer>,
            false => inner,
        }
    });
    Network::from_layers(6, layers.collect()).unwrap()
}

/// Trains, and returns the error, and the last step that was made.
fn run(network: Network, settings: Settings, samples: Samples) -> (Option<Error>, Ears) {
    let device = Device::cpu(Some(1)).unwrap();
    let (plan, _) = PlanName::Layered.choose(&settings, &device).unwrap();
    let mut trainer = Trainer::of(network, settings, device, plan, samples, None).unwrap();
    let mut ears = Ears::default();
    let error = trainer.run(&mut ears, &AtomicBool::new(false)).err();
    (error, ears)
}

/// The run failed at `step`, counted from 1, at once or a step later, and says `words`.
fn check(name: &str, found: (Option<Error>, Ears), step: u64, words: &[String]) {
    let (error, ears) = found;
    let Some(Error::Diverged { what, step: at, .. }) = &error else { panic!("{name}: {error:?}") };
    assert_eq!(*at, step, "{name}: {what}");
    assert!(ears.step <= step + 1, "{name}: it went on to step {}", ears.step);
    assert!(words.iter().all(|word| what.contains(word)), "{name}: {words:?} is not in: {what}");
    let [warning] = &ears.warnings[..] else { panic!("{name}: {:?}", ears.warnings) };
    assert_eq!((warning.step, warning.code.as_str()), (step, "not-finite"), "{name}");
    assert!(warning.what.contains(what) && !warning.cure.is_empty(), "{name}: {warning}");
}

/// Layer `index` as an error names it.
fn named(model: &str, index: usize) -> String {
    let row = Network::new(model, Init::Zero, 0).unwrap().summary().layers.swap_remove(index);
    format!("layer {index} ({}, {} units)", row.layer, row.shape[1])
}

#[test]
fn what_is_hit_is_named_in_every_layer() {
    for (model, value, count) in [(MODEL, f32::NAN, "1 NaN"), (OPEN, f32::INFINITY, "1 infinity")] {
        for (step, clip) in [(0, None), (1, None), (16, None), (41, None), (16, Some(1.0))] {
            let settings = Settings { clip, ..settings(model) };
            for (index, hit) in (0..LAYERS).flat_map(|index| HITS.map(|hit| (index, hit))) {
                let words = match hit {
                    Hit::Output => format!("the output of {} has", named(model, index)),
                    // Nobody computes the gradient of the input.
                    Hit::InputGradient if index == 0 => continue,
                    Hit::InputGradient => {
                        format!("the gradient of the output of {} has", named(model, index - 1))
                    }
                    _ if !DENSE.contains(&index) => continue,
                    Hit::Gradient => {
                        format!("the gradient of the weight of {} has", named(model, index))
                    }
                    Hit::Weight => {
                        format!("the update of the weight of {} makes", named(model, index))
                    }
                };
                let mut words = vec![format!("{words} {count}, the first at ")];
                if let Hit::Output | Hit::InputGradient = hit {
                    words.push("row 5 of the batch (sample ".to_string());
                }
                let name = format!("layer {index}, {hit:?}, {value}, step {step}");
                let network = network(model, index, hit, step, value);
                let found = run(network, settings.clone(), samples());
                check(&name, found, u64::from(step) + 1, &words);
            }
        }
    }
}

/// Long after the first steps only every tenth is told of, and this one.
#[test]
fn the_step_of_a_loss_that_is_not_finite_is_told_of() {
    let network = network(OPEN, 6, Hit::Output, 232, f32::INFINITY);
    let (error, ears) = run(network, Settings { epochs: 20, ..settings(OPEN) }, samples());
    assert!(error.is_some() && ears.step == 233 && !ears.loss.is_finite(), "{}", ears.step);
}

/// What an activation makes 1 or 0 of is found nowhere after it, and nothing is lost.
#[test]
fn an_infinity_that_is_swallowed_is_harmless() {
    let network = network(MODEL, 0, Hit::Output, 7, f32::INFINITY);
    let (error, ears) = run(network, settings(MODEL), samples());
    assert!(error.is_none() && ears.step == 60, "{error:?}");
}

#[test]
fn a_network_that_holds_it_from_the_beginning() {
    for index in DENSE {
        for value in [f32::NAN, f32::NEG_INFINITY] {
            for parameter in 0..2 {
                let mut network = Network::new(MODEL, Init::Xavier, 5).unwrap();
                let hit = network.parameters_mut().nth(index + parameter).unwrap();
                hit.value.set(1, value.into());
                let name = ["weight", "bias"][parameter];
                let words =
                    [format!("before the step, the {name} of {} has 1", named(MODEL, index))];
                let (error, ears) = run(network, settings(MODEL), samples());
                assert_eq!(ears.step, 0, "it makes no step");
                check(&format!("{name} {index}"), (error, ears), 1, &words);
            }
        }
    }
}

#[test]
fn an_input_is_named_with_its_sample() {
    let held_out = Philox::new(0, Purpose::Split, 0, 0).permutation(200);
    let trained_on = held_out[120] as usize;
    for (share, sample, value) in
        [(0.0, 0, f32::NAN), (0.0, 137, f32::INFINITY), (0.25, trained_on, f32::NAN)]
    {
        let mut samples = samples();
        let Inputs::Numbers(numbers) = &mut samples.inputs else { unreachable!() };
        numbers[sample * 6 + 4] = value;
        let settings = Settings { validation: share, ..settings(OPEN) };
        let network = Network::new(OPEN, Init::Xavier, 5).unwrap();
        let (error, ears) = run(network, settings, samples);
        let text = error.as_ref().map(ToString::to_string).unwrap_or_default();
        let Some(Error::Diverged { step, .. }) = error else { panic!("{error:?}") };
        assert!((1..=20).contains(&step) && ears.step <= step, "{text}");
        let words = [format!("(sample {sample})"), "column 4".into(), "the input has 1".into()];
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
        assert!(text.contains("out of the inputs"), "{text}");
    }
}

/// Rates that are too high, whatever carries the steps out: the same step and the same number are named.
#[test]
fn every_plan_and_device_names_the_same() {
    glassbox_cuda_sim::install_default();
    let base = Settings { model: "784-12-relu-9-relu-10".to_string(), lr: 1e20, ..plain() };
    for (rule, lr) in [("sgd", 1e20), ("sgd", 1e38), ("nesterov", 1e15), ("adam", 1e30)] {
        let settings = Settings { lr, optimizer: Rule::named(rule).unwrap(), ..base.clone() };
        let mut texts = Vec::new();
        let cpu = |threads| Device::cpu(Some(threads)).unwrap();
        for device in [Device::Reference, cpu(1), cpu(3), Device::cuda(0).unwrap()] {
            for name in [PlanName::Layered, PlanName::Auto] {
                let (plan, _) = name.choose(&settings, &device).unwrap();
                let samples = some_digits(300);
                let mut trainer =
                    Trainer::new(settings.clone(), device.clone(), plan, samples, None).unwrap();
                trainer.look_inside();
                let error = trainer.run(&mut (), &AtomicBool::new(false)).unwrap_err();
                assert!(matches!(error, Error::Diverged { .. }), "{error}");
                texts.push(error.to_string());
            }
        }
        texts.dedup();
        let [text] = &texts[..] else { panic!("{texts:#?}") };
        assert!(text.contains("the first at ") || text.contains("overflows"), "{text}");
    }
}
