//! Learning curves, the learning rate, and the throughput: how a training went, or several beside each other.

use crate::chart::{Axis, Chart, draw};
use crate::figure::Figure;
use crate::history::{History, StepRecord};
use crate::scale::{Unit, brief, grouped};
use crate::series::{Series, Stroke, smoothed, together};
use crate::theme::Look;

/// Runs that differ in their seed alone, or a single one. Several are drawn as their mean, in a band from the lowest
/// to the highest.
#[derive(Clone, Debug)]
pub struct Group<'a> {
    /// What they are called together.
    pub name: String,
    /// The runs.
    pub runs: Vec<&'a History>,
    /// How the finished networks do on the test samples, if somebody looked.
    pub test: Option<Test>,
}

/// How finished networks do on test samples, on average.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Test {
    /// The mean loss.
    pub loss: f64,
    /// The accuracy.
    pub accuracy: f64,
}

/// How curves are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CurveOptions {
    /// How much of the mean stays at each point of the loss of steps: 0 is no smoothing, below 1.
    pub smooth: f64,
    /// Whether the y-axes are logarithmic. Then errors are shown instead of accuracies.
    pub log: bool,
}

impl Default for CurveOptions {
    fn default() -> CurveOptions {
        CurveOptions { smooth: 0.6, log: false }
    }
}

/// The most groups that one picture shows: as many as there are colours.
const MOST_GROUPS: usize = 8;

/// Loss and accuracy over the steps: of each batch, and of training and validation samples after each epoch.
pub fn curves(groups: &[Group], options: &CurveOptions, look: &Look) -> String {
    let (all, groups) = (groups.len(), &groups[..groups.len().min(MOST_GROUPS)]);
    let smooth = if options.smooth.is_finite() { options.smooth.clamp(0.0, 0.999) } else { 0.0 };
    let figure = figure(groups, look, "Learning curves", &about(groups, all, smooth));
    let is_empty =
        |group: &Group| group.runs.iter().all(|run| run.steps.is_empty() && run.epochs.is_empty());
    if groups.iter().all(is_empty) {
        return figure.empty("No step has been made yet.");
    }
    let mut loss = chart("mean cross-entropy", Unit::Plain, options.log, groups);
    let mut accuracy = if options.log {
        chart("errors, %", Unit::Percent, true, groups)
    } else {
        chart("accuracy, %", Unit::Percent, false, groups)
    };
    loss.y.title = "loss".to_string();
    for (index, group) in groups.iter().enumerate() {
        loss.series.extend(losses(group, index, groups.len(), smooth, look));
        accuracy.series.extend(accuracies(group, index, groups.len(), options.log, look));
    }
    let has_accuracy = accuracy.series.iter().any(|series| !series.points.is_empty());
    let charts = if has_accuracy { vec![loss, accuracy] } else { vec![loss] };
    draw(&figure, &charts)
}

/// The learning rate over the steps.
pub fn rate(groups: &[Group], options: &CurveOptions, look: &Look) -> String {
    let about = "The factor of each step.";
    over_steps(groups, options, look, ["Learning rate", "learning rate", about], &|run| {
        run.steps.iter().map(|step| [step.step as f64, step.rate]).collect()
    })
}

/// How many images are learned from in a second of training, over the steps.
pub fn throughput(groups: &[Group], options: &CurveOptions, look: &Look) -> String {
    let about =
        "Training images a second, in training steps alone; a point is at least 50 ms of them.";
    over_steps(groups, options, look, ["Throughput", "images/s", about], &images_a_second)
}

/// One number a step, of every run.
fn over_steps(
    groups: &[Group],
    options: &CurveOptions,
    look: &Look,
    [title, axis, about]: [&str; 3],
    points: &dyn Fn(&History) -> Vec<[f64; 2]>,
) -> String {
    let groups = &groups[..groups.len().min(MOST_GROUPS)];
    let figure = figure(groups, look, title, about);
    let mut chart = chart(axis, Unit::Plain, options.log, groups);
    if !options.log {
        chart.y.with.push(0.0);
    }
    for (index, group) in groups.iter().enumerate() {
        let colour = look.colours().nth(index);
        let name = if groups.len() > 1 { group.name.as_str() } else { "" };
        let all: Vec<Vec<[f64; 2]>> = group.runs.iter().map(|run| points(run)).collect();
        chart.series.push(one_of(all, name, colour, Stroke::Line));
    }
    if chart.series.iter().all(|series| series.points.is_empty()) {
        return figure.empty("No step has been made yet.");
    }
    draw(&figure, &[chart])
}

/// One line for one run, the mean in its band for several.
fn one_of(mut all: Vec<Vec<[f64; 2]>>, name: &str, colour: &'static str, stroke: Stroke) -> Series {
    if all.len() == 1 {
        return Series::new(name, all.remove(0), colour, stroke);
    }
    let (points, band) = together(&all);
    Series { band, ..Series::new(name, points, colour, stroke) }
}

fn losses(group: &Group, index: usize, of: usize, smooth: f64, look: &Look) -> Vec<Series> {
    let (train, _) = colours(index, of, look);
    if has_no_steps(group) {
        let epochs = group.runs.iter().map(|run| of_epochs(run, &|e| Some(e.train_loss)));
        return of_losses(group, index, of, look, epochs.collect(), Stroke::Dots);
    }
    let raw: Vec<Vec<[f64; 2]>> = group.runs.iter().map(|run| step_losses(run)).collect();
    let mut all = Vec::new();
    // Beside other runs it would hide them.
    if let ([raw], 1, true) = (&raw[..], of, smooth > 0.0) {
        all.push(Series::new("", raw.clone(), train, Stroke::Faint));
    }
    let soft = raw.into_iter().map(|points| smoothed(points, smooth)).collect();
    all.extend(of_losses(group, index, of, look, soft, Stroke::Line));
    all
}

/// Whether its runs tell of epochs alone.
fn has_no_steps(group: &Group) -> bool {
    group.runs.iter().all(|run| run.steps.is_empty())
}

/// Losses of training, which are given, and of validation and test.
fn of_losses(
    group: &Group,
    index: usize,
    of: usize,
    look: &Look,
    points: Vec<Vec<[f64; 2]>>,
    stroke: Stroke,
) -> Vec<Series> {
    let (train, validation) = colours(index, of, look);
    let mut all = vec![one_of(points, &name(group, of, "train"), train, stroke)];
    let held_out: Vec<_> =
        group.runs.iter().map(|run| of_epochs(run, &|e| e.validation_loss)).collect();
    all.push(one_of(held_out, &name(group, of, "validation"), validation, dashed(of)));
    all.extend(test(group, of, look, train, &|test| test.loss));
    all
}

fn accuracies(group: &Group, index: usize, of: usize, log: bool, look: &Look) -> Vec<Series> {
    let (train, validation) = colours(index, of, look);
    let shown = |share: f64| if log { 1.0 - share } else { share };
    let lines: [(&str, &'static str, Stroke, Of); 2] = [
        ("train", train, Stroke::Dots, &|e| e.train_accuracy),
        ("validation", validation, dashed(of), &|e| e.validation_accuracy),
    ];
    let mut all = Vec::new();
    for (what, colour, stroke, value) in lines {
        let of_run = |run: &&History| of_epochs(run, &|epoch| value(epoch).map(shown));
        let points: Vec<_> = group.runs.iter().map(of_run).collect();
        all.push(one_of(points, &name(group, of, what), colour, stroke));
    }
    all.extend(test(group, of, look, train, &|test| shown(test.accuracy)));
    all
}

/// A number of an epoch, if it has it.
type Of<'a> = &'a dyn Fn(&glassbox::EpochRecord) -> Option<f64>;

fn of_epochs(run: &History, value: Of) -> Vec<[f64; 2]> {
    let point = |epoch: &glassbox::EpochRecord| Some([epoch.step as f64, value(epoch)?]);
    run.epochs.iter().filter_map(point).collect()
}

fn step_losses(run: &History) -> Vec<[f64; 2]> {
    let start = run.start.as_ref().and_then(|start| start.untrained_loss);
    let start = start.filter(|_| run.steps.first().is_some_and(|step| step.step == 1));
    let steps = run.steps.iter().map(|step| [step.step as f64, step.loss]);
    let mut points = Vec::with_capacity(steps.len() + 1);
    points.extend(start.map(|loss| [0.0, loss]));
    points.extend(steps);
    points
}

/// The mark of the test samples, where the run ended.
fn test(
    group: &Group,
    of: usize,
    look: &Look,
    colour: &'static str,
    value: &dyn Fn(&Test) -> f64,
) -> Option<Series> {
    let test = group.test.as_ref()?;
    let last = |run: &&History| run.epochs.last().map(|epoch| epoch.step);
    let last = group.runs.iter().filter_map(last).max()? as f64;
    let colour = if of == 1 { look.colours().series[2] } else { colour };
    let points = vec![[last, value(test)]];
    // Where several runs are compared, the mark stands beside the line that has the name.
    let name = if of == 1 { "test" } else { "" };
    Some(Series::new(name, points, colour, Stroke::Diamond))
}

fn name(group: &Group, of: usize, what: &str) -> String {
    match (of, what) {
        (1, what) => what.to_string(),
        (_, "train") => group.name.clone(),
        // Several runs have a colour each, and validation is dashed.
        _ => String::new(),
    }
}

fn dashed(of: usize) -> Stroke {
    if of == 1 { Stroke::Dots } else { Stroke::Dashed }
}

fn colours(index: usize, of: usize, look: &Look) -> (&'static str, &'static str) {
    let colours = look.colours();
    if of == 1 {
        (colours.nth(0), colours.nth(1))
    } else {
        (colours.nth(index), colours.nth(index))
    }
}

/// Images a second between reports that are at least 50 ms apart.
fn images_a_second(run: &History) -> Vec<[f64; 2]> {
    let Some(start) = &run.start else { return Vec::new() };
    let batch = start.samples as f64 / start.steps_per_epoch.max(1) as f64;
    let (mut points, mut from) =
        (Vec::new(), StepRecord { step: 0, loss: 0.0, rate: 0.0, seconds: 0.0 });
    if let Some(first) = run.steps.first().filter(|first| first.step > 1) {
        from = *first;
    }
    let last = run.steps.len().saturating_sub(1);
    for (index, step) in run.steps.iter().enumerate() {
        let (seconds, steps) = (step.seconds - from.seconds, step.step.saturating_sub(from.step));
        let is_due = seconds >= 0.05 || index == last && points.is_empty();
        if is_due && seconds > 0.0 && steps > 0 {
            points.push([step.step as f64, batch * steps as f64 / seconds]);
            from = *step;
        }
    }
    points
}

/// Axes over the steps, with the epochs of the first run.
fn chart(y: &str, unit: Unit, is_log: bool, groups: &[Group]) -> Chart {
    let first = groups.iter().flat_map(|group| &group.runs).next();
    let every = first.and_then(|run| run.steps_per_epoch()).unwrap_or(0);
    let epochs = first.map_or(0, |run| run.epochs.len().min(1000)) as u64;
    let same = |run: &&History| run.steps_per_epoch() == Some(every);
    let is_shared =
        groups.iter().flat_map(|group| group.runs.iter().copied()).all(|run| same(&run));
    let begins = (1..epochs).filter(|_| is_shared);
    let begins = begins.map(|e| ((e * every) as f64, format!("epoch {}", e + 1))).collect();
    let (mut x, y) = (Axis::new("step", Unit::Whole, false), Axis::new(y, unit, is_log));
    // Charts of one run begin and end at the same step.
    let runs = || groups.iter().flat_map(|group| &group.runs);
    let steps = runs().filter_map(|run| run.steps.last()).map(|step| step.step);
    let epochs = runs().filter_map(|run| run.epochs.last()).map(|epoch| epoch.step);
    x.with = steps.chain(epochs).map(|step| step as f64).chain([0.0]).collect();
    Chart { x, y, series: Vec::new(), guides: Vec::new(), begins, is_direct: false }
}

fn figure<'a>(groups: &[Group], look: &'a Look, what: &str, subtitle: &str) -> Figure<'a> {
    let title = match groups {
        [one] => format!("{what}: {}", one.name),
        _ => {
            let runs: usize = groups.iter().map(|group| group.runs.len()).sum();
            format!("{what}: {runs} runs compared")
        }
    };
    let ends = groups.iter().map(|group| {
        let last = group.runs.iter().filter_map(|run| run.epochs.last()).next_back();
        let last = last.map_or("no epoch done".to_string(), |epoch| {
            let loss = brief(epoch.train_loss, Unit::Plain);
            let share = epoch.validation_accuracy.or(epoch.train_accuracy);
            let share = share.map(|share| format!(", accuracy {} %", brief(share, Unit::Percent)));
            let share = share.unwrap_or_default();
            format!("after epoch {} training loss {loss}{share}", epoch.epoch)
        });
        format!("{}: {last}", group.name)
    });
    let description = ends.collect::<Vec<_>>().join("; ");
    Figure { look, title, subtitle: subtitle.to_string(), description }
}

/// What the lines of the learning curves are.
fn about(groups: &[Group], all: usize, smooth: f64) -> String {
    let mut words = Vec::new();
    if all > groups.len() {
        words.push(format!("The first {} of {all}.", groups.len()));
    }
    if let [Group { runs, .. }] = groups
        && let Some(start) = runs.first().and_then(|run| run.start.as_ref())
    {
        words.push(format!("{} on {} images.", start.network, grouped(start.samples as u64)));
    }
    let most = groups.iter().map(|group| group.runs.len()).max().unwrap_or(0);
    let has_validation = |run: &&History| run.epochs.iter().any(|e| e.validation_loss.is_some());
    if most > 1 {
        words.push("Mean of the seeds, in a band from the lowest to the highest.".to_string());
    } else if groups.iter().all(has_no_steps) {
        words.push("Mean loss of each epoch.".to_string());
    } else if smooth > 0.0 && groups.len() > 1 {
        words.push(format!("Exponential mean ({smooth}) of the loss of each batch."));
    } else if smooth > 0.0 {
        words.push(format!("Loss of each batch, faint, and its exponential mean ({smooth})."));
    } else {
        words.push("Loss of each batch.".to_string());
    }
    if groups.len() > 1 && groups.iter().flat_map(|group| &group.runs).any(has_validation) {
        words.push("Dashed: validation.".to_string());
    }
    if groups.iter().any(|group| group.test.is_some()) {
        words.push("◆ test.".to_string());
    }
    words.join(" ")
}
