//! Series of points: thinned, smoothed, and cut where they are no numbers.

/// A line of a chart.
pub(crate) struct Series {
    pub name: String,
    /// No more than are drawn.
    pub points: Vec<[f64; 2]>,
    /// The lowest and the highest at each place, if it stands for several.
    pub band: Vec<[f64; 3]>,
    pub colour: &'static str,
    pub stroke: Stroke,
}

/// How a line is drawn.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Stroke {
    /// A line, with its name beside it.
    Line,
    /// The same, with a dot at each point.
    Dots,
    /// The same, dashed.
    Dashed,
    /// What a smoothed line was made of; it has no name.
    Faint,
    /// Single points.
    Points,
    /// The same, as diamonds.
    Diamond,
}

impl Series {
    pub fn new(name: &str, points: Vec<[f64; 2]>, colour: &'static str, stroke: Stroke) -> Series {
        Series { name: name.to_string(), points: thinned(points), band: Vec::new(), colour, stroke }
    }

    /// Whether it has a name beside it, for which it needs a place.
    pub fn is_named(&self) -> bool {
        let has_place = self.points.iter().any(is_finite);
        self.stroke != Stroke::Faint && !self.name.is_empty() && has_place
    }
}

/// The most points of a series that are drawn.
pub const MOST_POINTS: usize = 2000;

pub(crate) fn is_finite(point: &[f64; 2]) -> bool {
    point[0].is_finite() && point[1].is_finite()
}

/// At most [`MOST_POINTS`] of the points: the first, the last, and of each stretch the lowest and the highest, and one
/// that is no number if there is one.
pub(crate) fn thinned(points: Vec<[f64; 2]>) -> Vec<[f64; 2]> {
    if points.len() <= MOST_POINTS {
        return points;
    }
    let last = points.len() - 1;
    let stretches = (MOST_POINTS - 2) / 3;
    let mut kept = vec![0];
    for stretch in 0..stretches {
        let from = 1 + stretch * (last - 1) / stretches;
        let to = 1 + (stretch + 1) * (last - 1) / stretches;
        let finite = || (from..to).filter(|&index| is_finite(&points[index]));
        let by_y = |a: &usize, b: &usize| points[*a][1].total_cmp(&points[*b][1]);
        let gap = (from..to).find(|&index| !is_finite(&points[index]));
        let mut found: Vec<usize> =
            [finite().min_by(by_y), finite().max_by(by_y), gap].into_iter().flatten().collect();
        found.sort_unstable();
        found.dedup();
        kept.extend(found);
    }
    kept.push(last);
    kept.into_iter().map(|index| points[index]).collect()
}

// ANCHOR: smoothed
/// The exponential mean of the points, as if it had begun long before: `share` of it stays at each point. What is no
/// number stays none, and leaves the mean as it was.
pub(crate) fn smoothed(mut points: Vec<[f64; 2]>, share: f64) -> Vec<[f64; 2]> {
    let (mut mean, mut weight) = (0.0, 0.0);
    for [_, y] in points.iter_mut().filter(|point| point[1].is_finite()) {
        mean = share * mean + (1.0 - share) * *y;
        weight = share * weight + (1.0 - share);
        *y = mean / weight;
    }
    points
}
// ANCHOR_END: smoothed

/// The stretches of points that are numbers, and between them the places, from and to, where they are not.
pub(crate) fn stretches(points: &[[f64; 2]]) -> (Vec<Vec<[f64; 2]>>, Vec<[f64; 2]>) {
    let (mut parts, mut gaps): (Vec<Vec<[f64; 2]>>, Vec<[f64; 2]>) = (vec![Vec::new()], Vec::new());
    let mut is_in_gap = false;
    for point in points.iter().filter(|point| point[0].is_finite()) {
        if is_finite(point) {
            if is_in_gap {
                parts.push(Vec::new());
            }
            parts.last_mut().expect("there is always one").push(*point);
            is_in_gap = false;
        } else {
            match gaps.last_mut() {
                Some(gap) if is_in_gap => gap[1] = point[0],
                _ => gaps.push([point[0]; 2]),
            }
            is_in_gap = true;
        }
    }
    parts.retain(|part| !part.is_empty());
    (parts, gaps)
}

/// The mean, the least and the largest of several series at each place that all of them have.
pub(crate) fn together(all: &[Vec<[f64; 2]>]) -> (Vec<[f64; 2]>, Vec<[f64; 3]>) {
    let Some((first, others)) = all.split_first() else { return Default::default() };
    let (mut means, mut band) = (Vec::new(), Vec::new());
    let mut places = vec![0; others.len()];
    for &[x, y] in first {
        let mut found = vec![y];
        for (other, place) in others.iter().zip(&mut places) {
            while other.get(*place).is_some_and(|point| point[0] < x) {
                *place += 1;
            }
            found.extend(other.get(*place).filter(|point| point[0] == x).map(|point| point[1]));
        }
        if found.len() == all.len() {
            let low = found.iter().copied().fold(f64::INFINITY, f64::min);
            let high = found.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            means.push([x, found.iter().sum::<f64>() / found.len() as f64]);
            band.push([x, low, high]);
        }
    }
    (means, band)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_ends_extremes_and_gaps() {
        let mut points: Vec<[f64; 2]> =
            (0..100_000).map(|i| [f64::from(i), (f64::from(i) / 777.0).sin()]).collect();
        points[31_415][1] = 9.0;
        points[27_182][1] = -9.0;
        points[50_000][1] = f64::NAN;
        let thin = thinned(points.clone());
        assert!(thin.len() <= MOST_POINTS && thin.len() > MOST_POINTS / 2, "{}", thin.len());
        assert!(thin.windows(2).all(|pair| pair[0][0] < pair[1][0]));
        assert_eq!((thin[0], thin[thin.len() - 1]), (points[0], points[99_999]));
        for index in [31_415, 27_182] {
            assert!(thin.contains(&points[index]));
        }
        assert_eq!(thin.iter().filter(|point| !is_finite(point)).count(), 1);
        assert_eq!(thinned(points[..2000].to_vec()).len(), 2000);
    }

    #[test]
    fn smoothing_is_a_weighted_mean() {
        let points = [[0.0, 1.0], [1.0, f64::NAN], [2.0, 4.0]];
        let smooth = smoothed(points.to_vec(), 0.5);
        assert_eq!(smooth[0], [0.0, 1.0]);
        assert!(smooth[1][1].is_nan());
        assert!((smooth[2][1] - (0.25 * 1.0 + 0.5 * 4.0) / 0.75).abs() < 1e-12);
        assert_eq!(smoothed(points[..1].to_vec(), 0.0), [[0.0, 1.0]]);
    }

    #[test]
    fn gaps_are_where_numbers_are_not() {
        let nan = f64::NAN;
        let points =
            [[0.0, 1.0], [1.0, 2.0], [2.0, nan], [3.0, f64::INFINITY], [4.0, 1.0], [5.0, nan]];
        let (parts, gaps) = stretches(&points);
        assert_eq!(parts, [vec![[0.0, 1.0], [1.0, 2.0]], vec![[4.0, 1.0]]]);
        assert_eq!(gaps, [[2.0, 3.0], [5.0, 5.0]]);
        assert_eq!(stretches(&[]).0.len(), 0);
    }

    #[test]
    fn several_together() {
        let (a, b) = (vec![[1.0, 1.0], [2.0, 3.0], [3.0, 0.0]], vec![[1.0, 2.0], [3.0, 4.0]]);
        let (means, band) = together(&[a, b]);
        assert_eq!(means, [[1.0, 1.5], [3.0, 2.0]]);
        assert_eq!(band, [[1.0, 1.0, 2.0], [3.0, 0.0, 4.0]]);
    }
}
