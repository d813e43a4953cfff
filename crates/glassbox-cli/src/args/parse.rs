//! Words of the command line as values, or what is wrong with them.

use glassbox::DeviceName;

/// A number as training takes it. One that an f32 cannot hold would become 0 or infinite.
pub fn number(text: &str) -> Result<f32, String> {
    let (exact, number) = match (text.parse::<f64>(), text.parse::<f32>()) {
        (Ok(exact), Ok(number)) => (exact, number),
        _ => return Err("it is no number (hint: 0.1 or 1e-3)".to_string()),
    };
    if exact != 0.0 && number == 0.0 {
        let least = f32::from_bits(1);
        return Err(format!("it is too small for an f32 (hint: at least {least:.1e}, or 0)"));
    }
    if exact.is_finite() && number.is_infinite() {
        return Err(format!("it is too large for an f32 (hint: at most {:.1e})", f32::MAX));
    }
    Ok(number)
}

/// A share from 0 to below 1.
pub fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..1.0).contains(share));
    share.ok_or_else(|| "it is from 0 to below 1 (hint: 0.6 is usual, 0 is none)".to_string())
}

/// A factor of the learning rate.
pub fn factor(text: &str) -> Result<f32, String> {
    let [least, most] = glassbox::control::FACTORS;
    let factor = text.parse().ok().filter(|factor| (least..=most).contains(factor));
    factor.ok_or_else(|| {
        format!("it is from {least} to {most} (hint: 1 is the schedule as it was set)")
    })
}

/// Seeds of networks that are trained side by side.
#[derive(Clone)]
pub struct Seeds(pub Vec<u64>);

/// The most networks of a sweep: a slip of the finger is no experiment.
const MOST_SEEDS: u64 = 100_000;

/// `0..31`, both included, or `1,5,9`.
pub fn seeds(text: &str) -> Result<Seeds, String> {
    let number = |text: &str| {
        text.trim()
            .parse::<u64>()
            .map_err(|_| format!("'{text}' is no seed (hint: 0..31 or 1,5,9)"))
    };
    let Some((first, last)) = text.split_once("..") else {
        return text.split(',').map(number).collect::<Result<_, _>>().map(Seeds);
    };
    let (first, last) = (number(first)?, number(last)?);
    if first > last || last - first >= MOST_SEEDS {
        let hint = "the first is the smaller one, and both belong to it";
        return Err(format!("it has from 1 to {MOST_SEEDS} seeds (hint: {hint})"));
    }
    Ok(Seeds((first..=last).collect()))
}

/// A device by its name, or the hint that the library gives.
pub fn device(text: &str) -> Result<DeviceName, String> {
    text.parse().map_err(|error: glassbox::Error| error.to_string())
}

/// A parser for a fixed set of words, which clap then lists and corrects.
pub fn words<T: Copy + Send + Sync + 'static>(
    words: &'static [(&'static str, T)],
) -> impl clap::builder::TypedValueParser<Value = T> {
    use clap::builder::TypedValueParser;
    let names = words.iter().map(|(name, _)| *name);
    clap::builder::PossibleValuesParser::new(names).map(move |word| {
        let found = words.iter().find(|(name, _)| *name == word);
        found.expect("clap has checked the word").1
    })
}
