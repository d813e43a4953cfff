//! The doctor's patients: each rule catches a sick run, the cure that it names heals it, and healthy runs hear nothing.

mod ward;

use glassbox::diagnose::{NOT_FINITE, RULES};
use glassbox::{Answers, Error, Finding, Init, LossName, Rule, Samples, Settings};
use std::collections::BTreeMap;
use ward::healthy;
use ward::{Case, Seen, as_numbers, examine, plain, some_digits, take, values};

/// A sick run: the rule that catches it, by which step, and its cure where that is no setting.
#[derive(Clone)]
struct Patient {
    code: &'static str,
    by: u64,
    case: Case,
    healed: Option<Samples>,
}

fn patients() -> Vec<Patient> {
    let patient = |code, by, name, settings, samples, healed| {
        let case = Case { name, settings, samples };
        Patient { code, by, case, healed }
    };
    let of = |model: &str, lr| Settings { model: model.to_string(), lr, ..plain() };
    let digits = || some_digits(2000);
    let labelled = |label: &dyn Fn(usize, u32) -> u32| {
        let mut samples = digits();
        if let Answers::Classes { labels, .. } = &mut samples.answers {
            *labels = labels.iter().enumerate().map(|(i, &old)| label(i, old)).collect();
        }
        samples
    };
    let old = digits();
    let old = old.labels().unwrap();
    let chosen = |is_in: &dyn Fn(usize, u32) -> bool| {
        let all = some_digits(4000);
        let rows: Vec<usize> = (0..4000).filter(|&i| is_in(i, all.labels().unwrap()[i])).collect();
        rows_of(&all, &rows)
    };
    let wrong =
        labelled(&|i, label| if i % 5 == 0 { (label + 1 + i as u32 % 7) % 10 } else { label });
    let line = values(1000, 8, 1, |x| [x.iter().sum()]);
    let twice: Vec<usize> = (0..400).chain(0..400).collect();
    let adam = |settings| Settings { optimizer: Rule::named("adam").unwrap(), ..settings };
    let init = |init, settings| Settings { init, ..settings };
    let sum = |settings| Settings { reduction: glassbox::Reduction::Sum, ..settings };
    let deep = "784-32-sigmoid-32-sigmoid-32-sigmoid-32-sigmoid-32-sigmoid-32-sigmoid-10";
    vec![
        patient(
            "unscaled-input",
            0,
            "pixels up to 255",
            of("784-32-relu-10", 0.1),
            as_numbers(digits(), 1.0),
            Some(as_numbers(digits(), 1.0 / 255.0)),
        ),
        patient(
            "unscaled-input",
            0,
            "tiny inputs",
            of("784-32-relu-10", 0.1),
            as_numbers(digits(), 1e-6),
            Some(as_numbers(digits(), 1.0 / 255.0)),
        ),
        patient(
            "labels-out-of-range",
            0,
            "labels from 1",
            plain(),
            labelled(&|_, label| label + 1),
            Some(digits()),
        ),
        patient(
            "missing-classes",
            0,
            "a wrong label widens",
            of("784-32-relu-16", 0.1),
            wide(labelled(&|i, label| if i == 7 { 15 } else { label }), 16),
            Some(wide(digits(), 10)),
        ),
        patient(
            "class-imbalance",
            0,
            "few of most classes",
            plain(),
            chosen(&|i, label| label == 0 || i < 100),
            Some(chosen(&|i, _| i < 1000)),
        ),
        patient(
            "labels-shuffled",
            63,
            "labels reversed against images",
            plain(),
            labelled(&|i, _| old[old.len() - 1 - i]),
            Some(digits()),
        ),
        patient(
            "labels-shuffled",
            63,
            "labels one too early",
            plain(),
            labelled(&|i, _| old[(i + 1) % old.len()]),
            Some(digits()),
        ),
        patient(
            "duplicated-rows",
            0,
            "samples were repeated, then split",
            Settings { validation: 0.25, ..plain() },
            rows_of(&digits(), &twice),
            Some(some_digits(800)),
        ),
        patient(
            "collapsed-to-prior",
            400,
            "weights of zero",
            init(Init::Zero, of("784-32-relu-10", 0.1)),
            digits(),
            None,
        ),
        patient(
            "collapsed-to-prior",
            600,
            "a rate that kills",
            of("784-32-relu-32-relu-10", 3.0),
            digits(),
            None,
        ),
        patient(
            "learning-rate-too-low",
            400,
            "a rate of 1e-5",
            of("784-32-relu-10", 1e-5),
            digits(),
            None,
        ),
        patient(
            "learning-rate-too-low",
            400,
            "adam at 1e-7",
            adam(of("784-32-relu-10", 1e-7)),
            digits(),
            None,
        ),
        patient(
            "learning-rate-too-high",
            40,
            "a rate of 5",
            of("784-32-tanh-10", 5.0),
            digits(),
            None,
        ),
        patient(
            "learning-rate-too-high",
            40,
            "adam at 1",
            adam(of("784-32-relu-10", 1.0)),
            digits(),
            None,
        ),
        patient(
            "reduction-mismatch",
            100,
            "a rate for the mean",
            sum(Settings { batch: 64, ..of("784-32-relu-10", 0.2) }),
            digits(),
            None,
        ),
        patient(
            "overfitting",
            10_000,
            "a large network, few samples, one label of five wrong",
            adam(Settings {
                validation: 0.5,
                epochs: 40,
                batch: 16,
                ..of("784-128-relu-10", 0.001)
            }),
            wrong.first(600),
            None,
        ),
        patient(
            "dead-relu",
            64,
            "a rate that kills",
            of("784-32-relu-32-relu-10", 10.0),
            digits(),
            None,
        ),
        patient(
            "saturated",
            64,
            "weights of up to 1",
            init(Init::Uniform, of("784-64-tanh-10", 0.01)),
            digits(),
            None,
        ),
        patient(
            "saturated",
            64,
            "sigmoid, weights of up to 1",
            init(Init::Uniform, of("784-64-sigmoid-10", 0.1)),
            digits(),
            None,
        ),
        patient(
            "vanishing-gradient",
            64,
            "six layers of sigmoid",
            init(Init::Xavier, of(deep, 0.1)),
            digits(),
            None,
        ),
        patient(
            "exploding-gradient",
            64,
            "deep, weights of up to 1",
            init(Init::Uniform, of("784-64-relu-64-relu-64-relu-64-relu-64-relu-10", 0.003)),
            digits(),
            None,
        ),
        patient("update-ratio", 64, "a rate of 5", of("784-32-tanh-10", 5.0), digits(), None),
        patient(
            "update-ratio",
            600,
            "adam at 1e-7",
            adam(of("784-32-relu-10", 1e-7)),
            digits(),
            None,
        ),
        patient(
            NOT_FINITE,
            100,
            "a rate of 1, squared errors",
            Settings { loss: LossName::MeanSquaredError, ..of("8-16-relu-1", 2.0) },
            line,
            None,
        ),
    ]
}

fn wide(mut samples: Samples, wide: usize) -> Samples {
    if let Answers::Classes { classes, .. } = &mut samples.answers {
        *classes = wide;
    }
    samples
}

/// These rows of images.
fn rows_of(samples: &Samples, rows: &[usize]) -> Samples {
    let (pixels, labels) = (samples.pixels().unwrap(), samples.labels().unwrap());
    let pixel = |&row: &usize| &pixels[row * samples.width..][..samples.width];
    let pixels = rows.iter().flat_map(pixel).copied().collect();
    let labels = rows.iter().map(|&row| labels[row]).collect();
    Samples::images(pixels, labels, samples.width, 10)
}

/// The worst healthy and the least sick statistic of each rule.
#[derive(Default)]
struct Gap(BTreeMap<String, [Option<f64>; 2]>);

impl Gap {
    fn healthy(&mut self, seen: &Seen) {
        for (code, worst) in &seen.measured {
            let known = &mut self.0.entry(code.to_string()).or_default()[0];
            *known = [*known, *worst].into_iter().flatten().reduce(f64::max);
        }
    }

    fn sick(&mut self, code: &str, seen: &Seen) {
        let worst = seen.measured.iter().filter(|(known, _)| *known == code);
        let worst = worst.filter_map(|(_, worst)| *worst).reduce(f64::max);
        let known = &mut self.0.entry(code.to_string()).or_default()[1];
        *known = [*known, worst].into_iter().flatten().reduce(f64::min);
    }

    /// The table of the rules, in Markdown.
    fn table(&self) -> String {
        let number = |x: Option<f64>| x.map_or("–".to_string(), short);
        let mut table = "| code | what is measured | healthy, at most | ill above | in a row | patients, at least |\n\
                         |---|---|---|---|---|---|\n"
            .to_string();
        for rule in RULES {
            let [healthy, sick] = self.0.get(rule.code).copied().unwrap_or_default();
            let (healthy, sick) = (number(healthy), number(sick));
            let (code, statistic, threshold) = (rule.code, rule.statistic, short(rule.threshold));
            table += &format!(
                "| `{code}` | {statistic} | {healthy} | {threshold} | {} | {sick} |\n",
                rule.in_a_row
            );
        }
        table
    }
}

/// A number with three digits or fewer.
fn short(x: f64) -> String {
    let rounded: f64 = format!("{x:.2e}").parse().unwrap();
    if rounded.abs() < 1e5 { rounded.to_string() } else { format!("{rounded:e}") }
}

/// The table that the documentation shows.
const TABLE: &str = "src/diagnose/rules.md";

/// Everything in one test, since the table is of healthy and of sick runs.
#[test]
#[expect(clippy::print_stdout)]
fn sick_runs_are_caught_and_cured_and_healthy_ones_hear_nothing() {
    let (mut gap, mut complaints) = (Gap::default(), Vec::new());
    let cases = healthy::cases();
    assert!(cases.len() >= 20);
    for (case, more) in cases.iter().flat_map(|case| [0, 10, 20].map(|more| (case, more))) {
        let mut case = case.clone();
        case.settings.seed += more;
        let seen = examine(&case);
        let name = format!("healthy '{}', seed {}", case.name, case.settings.seed);
        // Who is called healthy has learned.
        let is_good = seen.accuracy.map_or(seen.loss < Some(0.05), |accuracy| accuracy > 0.85);
        let numbers = (seen.accuracy, seen.loss);
        complaints.extend((!is_good).then(|| format!("{name} learned little: {numbers:?}")));
        complaints.extend(seen.error.iter().map(|error| format!("{name}: {error}")));
        complaints.extend(seen.findings.iter().map(|finding| format!("{name}: {finding}")));
        gap.healthy(&seen);
    }
    let seeds = |patient| [0, 1, 2].map(|seed| (seed, Patient::clone(&patient)));
    for (seed, Patient { code, by, mut case, healed }) in patients().into_iter().flat_map(seeds) {
        case.settings.seed = seed;
        let (name, seen) = (case.name, examine(&case));
        gap.sick(code, &seen);
        let all = |seen: &Seen| {
            let each = |finding: &Finding| format!("{} at {}", finding.code, finding.step);
            seen.findings.iter().map(each).collect::<Vec<_>>().join(", ")
        };
        let Some(finding) = seen.findings.iter().find(|finding| finding.code == code) else {
            complaints.push(format!(
                "'{name}': no {code}, but {}; {:?}",
                all(&seen),
                seen.measured
            ));
            continue;
        };
        println!("'{name}': {}\n{finding}", all(&seen));
        if finding.step > by {
            complaints.push(format!("'{name}': {code} was found at step {} only", finding.step));
        }
        let settings = match &healed {
            Some(_) => case.settings.clone(),
            None => take(&finding.cure, &case.settings),
        };
        let samples = healed.unwrap_or(case.samples);
        let cured = examine(&Case { name, settings, samples });
        println!("  cured: {} {:.3?} {:.3?}\n", all(&cured), cured.accuracy, cured.loss);
        if !cured.findings.is_empty() || cured.error.is_some() {
            let (cure, left) = (&finding.cure, all(&cured));
            complaints.push(format!("'{name}': after '{cure}' there is {left} {:?}", cured.error));
        }
    }
    let table = gap.table();
    println!("{table}");
    if std::env::var_os("GLASSBOX_WRITE").is_some() {
        std::fs::write(TABLE, &table).expect("the table is written");
    }
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

/// What is looked at late depends on the machine's speed, so that measured numbers differ a little; rules do not.
#[test]
fn the_documented_rules_are_the_rules() {
    let table = std::fs::read_to_string(TABLE).unwrap_or_default();
    let rules = |table: &str| -> Vec<[String; 4]> {
        let rows = table.lines().skip(2).map(|row| row.split('|').map(str::trim).collect());
        rows.map(|cells: Vec<&str>| [1, 2, 4, 5].map(|cell| cells[cell].to_string())).collect()
    };
    let hint = "GLASSBOX_WRITE=1 cargo test --release --package glassbox --test patients writes it";
    assert_eq!(rules(&table), rules(&Gap::default().table()), "{TABLE} is old: {hint}");
}

#[test]
fn an_error_is_a_finding_too() {
    let label = Error::Label { row: 3, label: 10, classes: 10 };
    let found = Finding::of_error(&label).unwrap();
    assert_eq!((found.code.as_str(), found.step), ("labels-out-of-range", 0));
    assert!(found.what.contains("label 10 of sample 3") && !found.what.contains("hint"));
}
