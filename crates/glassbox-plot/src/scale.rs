//! Scales: from numbers to pixels, with ticks that people would choose, and numbers as people write them.

/// A scale from numbers to pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scale {
    is_log: bool,
    domain: [f64; 2],
    pixels: [f64; 2],
}

/// What the numbers of an axis are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Unit {
    /// Numbers of any kind.
    Plain,
    /// Whole numbers: steps, epochs.
    Whole,
    /// Shares, written in percent.
    Percent,
}

/// What is further from zero is drawn there: the next power of ten would be infinite.
const MOST: f64 = 1e300;

impl Scale {
    /// A scale over `numbers`, those that are finite (and positive, if it is logarithmic), and a bit more: it begins
    /// with a tick, of which there are about `ticks`.
    pub fn over(
        numbers: impl Iterator<Item = f64>,
        is_log: bool,
        unit: Unit,
        pixels: [f64; 2],
        ticks: usize,
    ) -> Scale {
        let is_fit = |x: &f64| x.is_finite() && (!is_log || *x > 0.0);
        let clamp = |x: f64| x.clamp(-MOST, MOST);
        let ends = numbers.filter(is_fit).map(clamp).fold(None, |ends: Option<[f64; 2]>, x| {
            Some(ends.map_or([x, x], |[low, high]| [low.min(x), high.max(x)]))
        });
        let domain = if is_log {
            log_ends(ends.unwrap_or([0.1, 1.0]))
        } else {
            linear_ends(ends.unwrap_or([0.0, 1.0]), unit, ticks)
        };
        Scale { is_log, domain, pixels }
    }

    /// A scale that begins and ends just there.
    pub fn exact(domain: [f64; 2], is_log: bool, pixels: [f64; 2]) -> Scale {
        let [low, high] = if is_log { domain.map(|x| x.max(1e-300)) } else { domain };
        let high = if high > low { high } else { low + low.abs().max(1.0) };
        Scale { is_log, domain: [low, high], pixels }
    }

    /// The pixel of a number; none where the scale has none for it.
    pub fn at(&self, x: f64) -> Option<f64> {
        if !x.is_finite() || self.is_log && x <= 0.0 {
            return None;
        }
        // An axis may go on a bit beyond what is drawn.
        let x = if x.abs() > 4.0 * MOST { MOST.copysign(x) } else { x };
        let x = if self.is_log && x < 0.25 / MOST { 1.0 / MOST } else { x };
        let [low, high] = self.domain;
        let share = if self.is_log {
            (x.ln() - low.ln()) / (high.ln() - low.ln())
        } else {
            // Halves, since the difference of two large numbers may be infinite.
            (0.5 * x - 0.5 * low) / (0.5 * high - 0.5 * low)
        };
        Some(self.pixels[0] + share * (self.pixels[1] - self.pixels[0]))
    }

    /// The pixels of its ends.
    pub fn pixels(&self) -> [f64; 2] {
        self.pixels
    }

    /// About `most` ticks within the domain.
    pub fn ticks(&self, unit: Unit, most: usize) -> Vec<f64> {
        let [low, high] = self.domain;
        if self.is_log {
            return log_ticks(low, high, most);
        }
        let within = |most| -> Vec<f64> {
            let step = step(low, high, unit, most);
            let (first, last) = ((low / step - 1e-9).ceil(), (high / step + 1e-9).floor());
            let count = (last - first).clamp(0.0, 100.0) as usize;
            (0..=count).map(|index| (first + index as f64) * step).collect()
        };
        let ticks = within(most);
        // One or two ticks say little about distances.
        if ticks.len() < 3 { within(2 * most.max(1)) } else { ticks }
    }

    /// The numbers of these ticks, all written alike.
    pub fn labels(&self, ticks: &[f64], unit: Unit) -> Vec<String> {
        if self.is_log {
            return ticks.iter().map(|&x| brief(x, unit)).collect();
        }
        let factor = if unit == Unit::Percent { 100.0 } else { 1.0 };
        let step = match ticks {
            [first, second, ..] => factor * (second - first),
            _ => return ticks.iter().map(|&x| brief(x, unit)).collect(),
        };
        let largest = ticks.iter().fold(0.0f64, |most, x| most.max(factor * x.abs()));
        if largest >= 1e15 || step < 1e-6 {
            return ticks.iter().map(|&x| scientific(factor * x)).collect();
        }
        let (divisor, suffix) = match largest {
            x if x >= 1e7 && step >= 1e5 => (1e6, "M"),
            x if x >= 1e4 && step >= 100.0 => (1e3, "k"),
            _ => (1.0, ""),
        };
        let decimals = decimals(step / divisor);
        let label = |&x: &f64| {
            let text = minus(&format!("{:.decimals$}", factor * x / divisor));
            if text == "0" || suffix.is_empty() { text } else { format!("{text}{suffix}") }
        };
        ticks.iter().map(label).collect()
    }
}

/// How many decimals tell multiples of `step` apart.
fn decimals(step: f64) -> usize {
    (0..9)
        .find(|&n| {
            let x = step * 10f64.powi(n);
            (x - x.round()).abs() < 1e-6 * x
        })
        .unwrap_or(9) as usize
}

/// The distance of about `most` ticks from `low` to `high`: 1, 2 or 5 times a power of ten.
fn step(low: f64, high: f64, unit: Unit, most: usize) -> f64 {
    let wanted = (high / most.max(1) as f64 - low / most.max(1) as f64).max(1e-300);
    let power = 10f64.powf(wanted.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|x| x * power).into_iter();
    let step = step.into_iter().find(|x| *x >= wanted * (1.0 - 1e-9)).unwrap_or(10.0 * power);
    if unit == Unit::Whole { step.max(1.0) } else { step }
}

fn linear_ends([low, high]: [f64; 2], unit: Unit, ticks: usize) -> [f64; 2] {
    let least = if unit == Unit::Whole { 1.0 } else { 0.0 };
    let size = low.abs().max(high.abs());
    let (low, high) = match high - low >= least && high - low > 1e-6 * size {
        true => (low, high),
        // A constant stands in the middle of what is near it.
        false if size == 0.0 => (0.0, 1.0),
        false if unit == Unit::Whole => (low - (0.1 * size).max(1.0), high + (0.1 * size).max(1.0)),
        false => (low - 0.1 * size, high + 0.1 * size),
    };
    let step = step(low, high, unit, ticks);
    let (first, last) = ((low / step + 1e-9).floor() * step, (high / step - 1e-9).ceil() * step);
    // What is above the last tick but one needs no more room than it takes.
    let last = last.min(high + 0.06 * (high - first));
    if first < last { [first, last] } else { [low, high] }
}

/// 1, 2 and 5 times powers of ten around the ends.
fn log_ends([low, high]: [f64; 2]) -> [f64; 2] {
    let (low, high) = (low.max(1e-300), high.max(1e-300));
    let round = |x: f64, up: bool| {
        let power = ten_to(x.log10().floor() as i32);
        let parts = [1.0, 2.0, 5.0, 10.0];
        let near = 1e-9 * x;
        let mut all = parts.iter().map(|part| part * power);
        let found = if up { all.find(|y| *y >= x - near) } else { all.rfind(|y| *y <= x + near) };
        found.unwrap_or(x)
    };
    let (first, last) = (round(low, false), round(high, true));
    if first < last { [first, last] } else { [first / 2.0, last * 2.0] }
}

fn log_ticks(low: f64, high: f64, most: usize) -> Vec<f64> {
    let decades = (low.log10() - 1e-9).floor() as i32..=(high.log10() + 1e-9).ceil() as i32;
    let within = |x: &f64| *x >= low * (1.0 - 1e-9) && *x <= high * (1.0 + 1e-9);
    let ticks = |parts: &[f64], every: usize| -> Vec<f64> {
        let powers = decades.clone().filter(|power| power.rem_euclid(every as i32) == 0);
        let ticks = powers.flat_map(|power| parts.iter().map(move |part| part * ten_to(power)));
        ticks.filter(within).collect()
    };
    let finest = [&[1.0, 2.0, 5.0][..], &[1.0, 3.0]].into_iter().map(|parts| ticks(parts, 1));
    let coarser = [1, 2, 3, 5, 10, 20, 50, 100, 200, 500].map(|every| ticks(&[1.0], every));
    let mut all = finest.chain(coarser).filter(|ticks| ticks.len() >= 2);
    let found = all.find(|ticks| ticks.len() <= most.max(2));
    found.unwrap_or_else(|| vec![low, high])
}

/// A power of ten, as exact as its decimal text.
fn ten_to(power: i32) -> f64 {
    format!("1e{power}").parse().unwrap_or(f64::INFINITY)
}

/// A number with at most three significant digits, as short as can be.
pub(crate) fn brief(x: f64, unit: Unit) -> String {
    let x = if unit == Unit::Percent { 100.0 * x } else { x };
    let size = x.abs();
    let trimmed = |text: String| {
        let text = match text.contains('.') {
            true => text.trim_end_matches('0').trim_end_matches('.'),
            false => &text,
        };
        minus(text)
    };
    match size {
        _ if !x.is_finite() => if x.is_nan() { "NaN" } else { "∞" }.to_string(),
        0.0 => "0".to_string(),
        s if s >= 9.995e8 => scientific(x),
        s if s >= 9.995e5 => format!("{}M", trimmed(format!("{:.2}", x / 1e6))),
        s if s >= 9999.5 => format!("{}k", trimmed(format!("{:.1}", x / 1e3))),
        s if s >= 99.95 => trimmed(format!("{x:.0}")),
        s if s >= 9.995 => trimmed(format!("{x:.1}")),
        s if s >= 9.995e-5 => {
            let decimals = (2.0 - s.log10().floor()).clamp(0.0, 9.0) as usize;
            trimmed(format!("{x:.decimals$}"))
        }
        _ => scientific(x),
    }
}

/// 2·10⁻⁵
fn scientific(x: f64) -> String {
    if x == 0.0 {
        return "0".to_string();
    }
    let text = format!("{x:.2e}");
    let (digits, power) = text.split_once('e').expect("this format has a power");
    let digits = digits.trim_end_matches('0').trim_end_matches('.');
    let raised = |c: char| match c {
        '-' => '⁻',
        c => ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'][c as usize - '0' as usize],
    };
    let power: String = power.chars().map(raised).collect();
    match digits {
        "1" => format!("10{power}"),
        "-1" => format!("−10{power}"),
        digits => format!("{}·10{power}", minus(digits)),
    }
}

/// The number with a minus instead of a hyphen, and no −0.
fn minus(text: &str) -> String {
    match text.strip_prefix('-') {
        Some(digits) if digits.chars().all(|c| "0.".contains(c)) => digits.to_string(),
        Some(digits) => format!("−{digits}"),
        None => text.to_string(),
    }
}

/// A whole number with a space between thousands.
pub(crate) fn grouped(x: u64) -> String {
    let digits = x.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_people_do() {
        let cases: [(f64, &str); 14] = [
            (0.0, "0"),
            (-0.001, "−0.001"),
            (1e-5, "10⁻⁵"),
            (-2.5e-7, "−2.5·10⁻⁷"),
            (0.1, "0.1"),
            (1.0, "1"),
            (12.34, "12.3"),
            (999.6, "1000"),
            (9999.6, "10k"),
            (12_345.0, "12.3k"),
            (1e6, "1M"),
            (3e12, "3·10¹²"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "∞"),
        ];
        for (x, text) in cases {
            assert_eq!(brief(x, Unit::Plain), text);
        }
        assert_eq!(brief(0.9784, Unit::Percent), "97.8");
        assert_eq!(grouped(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(grouped(12), "12");
    }

    /// Ticks are within the scale and evenly spaced, there are neither none nor too many, and their labels differ.
    #[test]
    fn ticks_cover_every_range() {
        let ends = [0.0, 1e-300, 1e-9, 0.1, 0.97, 1.0, 3.0, 999.0, 1e5, 1e9, 1e300];
        for low in ends.iter().flat_map(|x| [*x, -*x]) {
            for high in ends.iter().map(|x| low + x).chain(ends).filter(|x| *x >= low) {
                for unit in [Unit::Plain, Unit::Whole, Unit::Percent] {
                    check(low, high, false, unit);
                    if low > 0.0 {
                        check(low, high, true, unit);
                    }
                }
            }
        }
    }

    fn check(low: f64, high: f64, is_log: bool, unit: Unit) {
        let why = format!("{low:e} to {high:e}, log {is_log}, {unit:?}");
        let scale = Scale::over([low, high].into_iter(), is_log, unit, [0.0, 300.0], 5);
        let [first, last] = scale.domain;
        let near = 1e-8 * high.abs().max(low.abs());
        let is_over = first <= low.max(-1e300) + near && high.min(1e300) - near <= last;
        assert!(is_over && first < last, "{why}: {first:e} to {last:e}");
        let ticks = scale.ticks(unit, 5);
        assert!((2..=12).contains(&ticks.len()), "{why}: {ticks:?}");
        let at: Vec<f64> = ticks.iter().map(|&x| scale.at(x).unwrap()).collect();
        assert!(at.windows(2).all(|pair| pair[0] < pair[1]), "{why}: {ticks:?} at {at:?}");
        assert!(at.iter().all(|at| (-0.01..=300.01).contains(at)), "{why}: {ticks:?} at {at:?}");
        let labels = scale.labels(&ticks, unit);
        let mut unique = labels.clone();
        unique.dedup();
        assert!(labels == unique, "{why}: {labels:?}");
    }

    #[test]
    fn no_pixel_for_what_is_no_number() {
        let scale = Scale::over([1.0, 2.0].into_iter(), false, Unit::Plain, [0.0, 100.0], 5);
        assert_eq!((scale.at(f64::NAN), scale.at(f64::INFINITY)), (None, None));
        let scale = Scale::over([0.0, -1.0, 2.0].into_iter(), true, Unit::Plain, [0.0, 1.0], 5);
        assert_eq!((scale.at(0.0), scale.at(-1.0)), (None, None));
        assert!(scale.domain[0] > 0.0);
    }
}
