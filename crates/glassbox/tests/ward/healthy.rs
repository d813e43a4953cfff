//! Healthy runs, on which the doctor has nothing to say: other models, optimizers, schedules, data and seeds.

use super::{Case, as_numbers, digits_from, plain, plane, some_digits, spirals, values};
use glassbox::{Init, LossName, Rule, Samples, Schedule, Settings};

pub fn cases() -> Vec<Case> {
    let case = |name, settings: Settings, samples: Samples| Case { name, settings, samples };
    let rule = |name: &str| Rule::named(name).unwrap();
    let text = |text: &str| text.to_string();
    let of = |model: &str, lr, optimizer: &str| Settings {
        model: text(model),
        lr,
        optimizer: rule(optimizer),
        ..plain()
    };
    let schedule = |text: &str| text.parse::<Schedule>().unwrap();
    let squared = |settings| Settings { loss: LossName::MeanSquaredError, ..settings };
    let long = |settings| Settings { epochs: 60, ..settings };
    let kept = |settings| Settings { validation: 0.2, ..settings };
    let digits = || some_digits(2000);
    let xor = |x: f32, y: f32| u32::from((x > 0.0) != (y > 0.0));
    let rings = |x: f32, y: f32| ((x * x + y * y).sqrt() * 2.2).min(2.0) as u32;
    let four = Samples {
        inputs: glassbox::Inputs::Numbers(vec![0., 0., 0., 1., 1., 0., 1., 1.]),
        answers: glassbox::Answers::Classes { labels: vec![0, 1, 1, 0], classes: 2 },
        width: 2,
    };
    let standard = |samples: Samples| {
        let mut samples = as_numbers(samples, 1.0 / 255.0);
        if let glassbox::Inputs::Numbers(numbers) = &mut samples.inputs {
            numbers.iter_mut().for_each(|x| *x = (*x - 0.13) / 0.31);
        }
        samples
    };
    let tanh = Settings { init: Init::Xavier, ..of("784-64-tanh-10", 0.1, "sgd") };
    let sigmoid = Settings { init: Init::Xavier, ..of("784-64-sigmoid-10", 0.003, "adam") };
    vec![
        case("brief", Settings { epochs: 6, ..Settings::brief() }, digits()),
        case("best", Settings { epochs: 6, seed: 1, ..Settings::best() }, digits()),
        case("plain", plain(), digits()),
        case("adam", Settings { seed: 2, ..of("784-64-relu-10", 0.001, "adam") }, digits()),
        case(
            "adamw, cosine, validation",
            kept(Settings {
                weight_decay: 0.01,
                schedule: schedule("cosine"),
                ..of("784-64-gelu-10", 0.002, "adamw")
            }),
            digits(),
        ),
        case(
            "momentum, steps",
            Settings {
                schedule: schedule("step:300:0.3"),
                ..of("784-48-relu-10", 0.03, "momentum")
            },
            digits(),
        ),
        case(
            "warm-up",
            Settings { schedule: schedule("warmup:200:cosine"), seed: 3, ..plain() },
            digits(),
        ),
        case("tanh", tanh, digits()),
        case("sigmoid", sigmoid, digits()),
        case(
            "leaky, small batches",
            Settings { batch: 8, ..of("784-32-leaky-10", 0.03, "sgd") },
            digits(),
        ),
        case("deep", of("784-64-relu-48-relu-32-relu-32-relu-10", 0.05, "sgd"), digits()),
        case(
            "dropout, clipping",
            Settings { clip: Some(1.0), ..of("784-64-relu-dropout0.3-10", 0.1, "sgd") },
            digits(),
        ),
        case("no hidden layer", of("784-10", 0.1, "sgd"), digits()),
        case(
            "standardised, validation",
            kept(of("784-32-relu-10", 0.03, "sgd")),
            standard(digits_from(1000, 2000)),
        ),
        case(
            "the four points of xor",
            Settings { batch: 4, epochs: 800, ..of("2-16-relu-2", 0.2, "sgd") },
            four,
        ),
        case("xor, validation", kept(long(of("2-16-tanh-2", 0.01, "adam"))), plane(600, 1, 2, xor)),
        case("rings", long(of("2-32-relu-16-relu-3", 0.01, "adam")), plane(800, 2, 3, rings)),
        case(
            "spirals",
            Settings { epochs: 150, ..of("2-32-tanh-32-tanh-3", 0.005, "adam") },
            spirals(600, 3),
        ),
        case(
            "a curve",
            squared(long(of("1-32-tanh-1", 0.01, "adam"))),
            values(500, 1, 4, |x| [f32::sin(3.0 * x[0])]),
        ),
        case(
            "two values, validation",
            squared(kept(long(of("5-32-relu-2", 0.05, "sgd")))),
            values(600, 5, 5, |x| [x[0] * x[1] + x[2], x[3].abs() - x[4]]),
        ),
        case(
            "a summed error",
            squared(Settings {
                reduction: glassbox::Reduction::Sum,
                ..long(of("3-24-gelu-2", 0.001, "momentum"))
            }),
            values(400, 3, 6, |x| [x[0] - x[1], x[1] * x[2]]),
        ),
    ]
}
