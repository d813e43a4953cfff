//! Sums and extremes of many numbers, in eight lanes that a compiler keeps in vector registers: one would wait for itself.

use std::iter::Sum;
use std::ops::{Add, AddAssign};

const LANES: usize = 8;

/// Adds up what `number` makes of numbers that stand side by side, in the precision that it gives. The slices are of one
/// length.
pub(crate) fn total<T, const N: usize>(slices: [&[f32]; N], number: impl Fn([f32; N]) -> T) -> T
where
    T: Copy + Default + Add<Output = T> + AddAssign + Sum,
{
    let blocks = slices.map(|slice| slice.as_chunks::<LANES>());
    let mut sums = [T::default(); LANES];
    for at in 0..blocks[0].0.len() {
        let block = blocks.map(|(blocks, _)| blocks[at]);
        (0..LANES).for_each(|i| sums[i] += number(block.map(|block| block[i])));
    }
    let rest = (0..blocks[0].1.len()).map(|i| number(blocks.map(|(_, rest)| rest[i])));
    let rest = rest.sum::<T>();
    sums.into_iter().sum::<T>() + rest
}

/// The least number and the largest, NaN aside; +∞ and −∞ if there is none.
pub(crate) fn range(numbers: &[f32]) -> [f32; 2] {
    // `f32::min` would look at NaN first, and be no single instruction.
    let least = |a: f32, b: f32| if b < a { b } else { a };
    let largest = |a: f32, b: f32| if b > a { b } else { a };
    let (blocks, rest) = numbers.as_chunks::<LANES>();
    let (mut low, mut high) = ([f32::INFINITY; LANES], [f32::NEG_INFINITY; LANES]);
    for block in blocks {
        (0..LANES).for_each(|i| low[i] = least(low[i], block[i]));
        (0..LANES).for_each(|i| high[i] = largest(high[i], block[i]));
    }
    let low = low.iter().chain(rest).copied().fold(f32::INFINITY, least);
    let high = high.iter().chain(rest).copied().fold(f32::NEG_INFINITY, largest);
    [low, high]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_and_what_is_left_over_are_all_there() {
        for count in [0, 1, 7, 8, 9, 31, 64, 1001] {
            let numbers: Vec<f32> = (0..count).map(|i| ((i * 37 % 101) as f32) - 50.0).collect();
            let sum: f64 = numbers.iter().map(|&x| f64::from(x)).sum();
            assert_eq!(
                total([&numbers, &numbers], |[a, b]| f64::from(a) + f64::from(b)),
                2.0 * sum
            );
            let extreme = |f: fn(f32, f32) -> f32, from| numbers.iter().copied().fold(from, f);
            let expected = [extreme(f32::min, f32::INFINITY), extreme(f32::max, f32::NEG_INFINITY)];
            assert_eq!(range(&numbers), expected, "{count}");
        }
    }

    #[test]
    fn a_range_passes_over_nan_wherever_it_stands() {
        for place in 0..20 {
            let mut numbers: Vec<f32> = (0..20).map(|i| i as f32).collect();
            numbers[place] = f32::NAN;
            let expected = [f32::from(place == 0), if place == 19 { 18.0 } else { 19.0 }];
            assert_eq!(range(&numbers), expected, "{place}");
        }
        assert_eq!(range(&[f32::NAN; 9]), [f32::INFINITY, f32::NEG_INFINITY]);
    }
}
