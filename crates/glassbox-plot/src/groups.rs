//! Which runs belong together.

use crate::curves::{Group, Test};
use crate::history::History;
use glassbox::RunRecord;
use serde_json::Value;

/// Runs that differ in their seed alone, together; those without settings each alone. `test` is a mark on all of them.
pub fn groups<'a>(
    runs: &[(&'a History, Option<&RunRecord>)],
    test: Option<Test>,
) -> Vec<Group<'a>> {
    let mut kinds: Vec<(Option<Value>, Vec<&History>)> = Vec::new();
    for (history, record) in runs {
        let settings = record.map(settings_but_seed);
        match kinds.iter_mut().find(|(kind, _)| kind.is_some() && *kind == settings) {
            Some((_, members)) => members.push(history),
            None => kinds.push((settings, vec![history])),
        }
    }
    let all: Vec<Value> = kinds.iter().filter_map(|(settings, _)| settings.clone()).collect();
    let named = kinds.into_iter().map(|(settings, runs)| {
        let apart = settings.map(|settings| differences(&settings, &all)).unwrap_or_default();
        let name = match &runs[..] {
            [one] => one.name.clone(),
            several => format!("{apart}{} seeds", several.len()),
        };
        Group { name, runs, test }
    });
    named.collect()
}

/// Settings and data of a run, as if its seed were 0.
fn settings_but_seed(record: &RunRecord) -> Value {
    let mut settings = serde_json::to_value(&record.settings).expect("settings are plain values");
    settings["seed"] = 0.into();
    settings["data"] = record.data.name.clone().into();
    settings
}

/// What sets these settings apart from others: `lr 0.1, `.
fn differences(settings: &Value, all: &[Value]) -> String {
    let Some(object) = settings.as_object() else { return String::new() };
    let differs = |key: &str| all.iter().any(|other| other[key] != settings[key]);
    let apart = object.iter().filter(|(key, _)| differs(key)).take(2);
    let text = |value: &Value| match value.as_f64() {
        // Settings are f32, and in JSON have more digits than were given.
        Some(x) if !value.is_u64() => (x as f32).to_string(),
        _ => value.to_string().replace('"', ""),
    };
    apart.map(|(key, value)| format!("{key} {}, ", text(value))).collect()
}
