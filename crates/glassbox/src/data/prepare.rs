//! A picture of a digit from anywhere, made like those of MNIST.
//!
//! MNIST's digits are light on dark, fitted into 20×20 pixels with their shape kept, and placed so
//! that their centre of mass is the centre of 28×28 (LeCun et al., "The MNIST database"). A network
//! that learned from them knows no others, so a drawing or a photograph is brought into that form.

/// The side of a prepared image.
pub const SIDE: usize = 28;

/// The side that the digit is fitted into.
const FIT: usize = 20;

/// The pixel, counted from 0, that the centre of mass is nearest to, down and across: in all of MNIST's test images
/// it lies between 13.5 and 14.5.
const MIDDLE: usize = 14;

/// Paper that is lighter than this has dark ink on it.
const LIGHT: u8 = 127;

/// In a photograph, ink fainter than this share of the strongest is paper.
const FAINT: u8 = 8;

/// A prepared image of `SIDE` · `SIDE` bytes, from a photograph or a scan of `width` · `height` grey bytes. An image
/// that has this size already and is light on dark is taken as it is.
///
/// # Panics
/// If there are other than `width` · `height` pixels.
pub fn photograph(pixels: &[u8], width: usize, height: usize) -> Vec<u8> {
    assert_eq!(pixels.len(), width * height, "an image has width times height pixels");
    let paper = paper(pixels, width, height);
    if (width, height) == (SIDE, SIDE) && paper <= LIGHT {
        return pixels.to_vec();
    }
    let ink = light_on_dark(pixels, paper);
    let strongest = ink.iter().copied().max().unwrap_or(0);
    fitted(&ink, width, strongest / FAINT)
}

/// A prepared image of `SIDE` · `SIDE` bytes, from the ink of a drawing of `width` · `height`, where 0 is none. No
/// ink at all gives no ink, and a single dot fills the box that digits are fitted into.
///
/// ```
/// # use glassbox::data::prepare::{SIDE, drawing};
/// let mut ink = vec![0; 100 * 60];
/// ink.chunks_mut(100).skip(9).take(40).for_each(|row| row[70..74].fill(255));
/// let image = drawing(&ink, 100, 60);
/// assert_eq!((image[3 * SIDE + 14], image[4 * SIDE + 14], image[23 * SIDE + 14]), (0, 255, 255));
/// ```
///
/// # Panics
/// If there are other than `width` · `height` pixels.
pub fn drawing(ink: &[u8], width: usize, height: usize) -> Vec<u8> {
    assert_eq!(ink.len(), width * height, "a drawing has width times height pixels");
    fitted(ink, width, 0)
}

/// The ink of rows of `width` pixels, fitted and centred. What is as faint as `faint` does not count as a part of the
/// digit's box.
fn fitted(ink: &[u8], width: usize, faint: u8) -> Vec<u8> {
    let Some([top, bottom, left, right]) = bounds(ink, width, faint) else {
        return vec![0; SIDE * SIDE];
    };
    let (rows, columns) = (bottom - top, right - left);
    let longer = rows.max(columns);
    let fit = |side: usize| ((side * FIT + longer / 2) / longer).max(1);
    let (high, wide) = (fit(rows), fit(columns));
    let mut small = vec![0; high * wide];
    for i in 0..high {
        for j in 0..wide {
            let rows = [top * high + i * rows, top * high + (i + 1) * rows];
            let columns = [left * wide + j * columns, left * wide + (j + 1) * columns];
            small[i * wide + j] = mean(ink, width, rows, high, columns, wide);
        }
    }
    centred(&small, wide)
}

/// The shade of the paper, which the border is: photographs and drawings are dark on light, and
/// their paper is seldom white.
fn paper(pixels: &[u8], width: usize, height: usize) -> u8 {
    let is_border = |index: &usize| {
        let (row, column) = (index / width, index % width);
        row == 0 || column == 0 || row + 1 == height || column + 1 == width
    };
    let (mut sum, mut count) = (0, 0);
    for index in (0..pixels.len()).filter(is_border) {
        sum += usize::from(pixels[index]);
        count += 1;
    }
    sum.checked_div(count).unwrap_or(0) as u8
}

/// The ink alone, as strong as can be: what differs from the paper.
fn light_on_dark(pixels: &[u8], paper: u8) -> Vec<u8> {
    let ink = |&pixel: &u8| {
        if paper > LIGHT { paper.saturating_sub(pixel) } else { pixel.saturating_sub(paper) }
    };
    let strongest = pixels.iter().map(ink).max().unwrap_or(0).max(1);
    let stretched = |pixel| (u32::from(ink(pixel)) * 255 / u32::from(strongest)) as u8;
    pixels.iter().map(stretched).collect()
}

/// The first and the past-the-last row and column with more ink than `faint`.
fn bounds(ink: &[u8], width: usize, faint: u8) -> Option<[usize; 4]> {
    let mut found: Option<[usize; 4]> = None;
    for (row, line) in ink.chunks_exact(width.max(1)).enumerate() {
        let is_ink = |&pixel: &u8| pixel > faint;
        let Some(first) = line.iter().position(is_ink) else { continue };
        let last = line.iter().rposition(is_ink).unwrap_or(first);
        let [top, _, left, right] = found.unwrap_or([row, row, first, last]);
        found = Some([top, row + 1, left.min(first), right.max(last + 1)]);
    }
    found
}

/// The mean over an area whose sides are given in parts of a pixel: `rows` in 1/`high`, `columns`
/// in 1/`wide`. In whole numbers, so that it is the same everywhere.
fn mean(
    ink: &[u8],
    width: usize,
    rows: [usize; 2],
    high: usize,
    columns: [usize; 2],
    wide: usize,
) -> u8 {
    let (mut sum, mut area) = (0u64, 0u64);
    for row in rows[0] / high..rows[1].div_ceil(high) {
        let down = overlap(rows, row, high);
        for column in columns[0] / wide..columns[1].div_ceil(wide) {
            let weight = down * overlap(columns, column, wide);
            sum += weight * u64::from(ink[row * width + column]);
            area += weight;
        }
    }
    (sum / area.max(1)) as u8
}

/// How much of pixel `index`, of `parts` parts, lies in a range.
fn overlap([start, end]: [usize; 2], index: usize, parts: usize) -> u64 {
    let (first, last) = (start.max(index * parts), end.min((index + 1) * parts));
    last.saturating_sub(first) as u64
}

/// A small image placed with its centre of mass in the middle, as far as it fits.
fn centred(small: &[u8], wide: usize) -> Vec<u8> {
    let high = small.len() / wide;
    let total: u64 = small.iter().map(|&ink| u64::from(ink)).sum();
    let centre = |place: &dyn Fn(usize) -> usize| {
        let moment: u64 = (0..small.len()).map(|i| place(i) as u64 * u64::from(small[i])).sum();
        // The nearest pixel: images move by whole pixels, so that none is blurred.
        ((2 * moment + total) / (2 * total.max(1))) as usize
    };
    let start = |centre: usize, side: usize| MIDDLE.saturating_sub(centre).min(SIDE - side);
    let (top, left) = (start(centre(&|i| i / wide), high), start(centre(&|i| i % wide), wide));
    let mut image = vec![0; SIDE * SIDE];
    for (i, line) in small.chunks(wide).enumerate() {
        image[(top + i) * SIDE + left..][..wide].copy_from_slice(line);
    }
    image
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A square of ink, dark on light, anywhere in a large image, ends in the middle.
    #[test]
    fn a_square_is_fitted_and_centred() {
        let (width, height) = (200, 120);
        let mut pixels = vec![255; width * height];
        for row in 10..50 {
            pixels[row * width + 130..][..40].fill(0);
        }
        let image = photograph(&pixels, width, height);
        for row in 0..SIDE {
            for column in 0..SIDE {
                let is_inside = (4..24).contains(&row) && (4..24).contains(&column);
                assert_eq!(image[row * SIDE + column], if is_inside { 255 } else { 0 });
            }
        }
    }

    /// The same digit on grey paper, in weak ink, or light on dark, comes out the same.
    #[test]
    fn paper_and_ink_of_any_shade() {
        let draw = |paper: u8, ink: u8| {
            let mut pixels = vec![paper; 100 * 100];
            for row in 20..70 {
                pixels[row * 100 + 40..][..9].fill(ink);
            }
            photograph(&pixels, 100, 100)
        };
        for (paper, ink) in [(225, 25), (160, 90), (0, 255), (40, 120), (130, 126)] {
            assert_eq!(draw(paper, ink), draw(255, 0), "{ink} on {paper}");
        }
        let mut ink = vec![0; 100 * 100];
        ink.chunks_mut(100).skip(20).take(50).for_each(|row| row[40..49].fill(255));
        assert_eq!(draw(255, 0), drawing(&ink, 100, 100));
    }

    #[test]
    fn odd_images_do_no_harm() {
        for (width, height) in [(1, 1), (1, 300), (300, 1), (3, 2), (0, 0), (0, 5), (29, 28)] {
            for shade in [0, 255, 100] {
                let pixels = vec![shade; width * height];
                assert_eq!(photograph(&pixels, width, height).len(), SIDE * SIDE);
                let (ink, any) = (drawing(&pixels, width, height), shade > 0 && width > 0);
                assert_eq!(ink.iter().any(|&pixel| pixel > 0), any, "{width}×{height} of {shade}");
            }
        }
    }

    /// A dot fills the box, wherever it is; so does a sheet that is all ink.
    #[test]
    fn a_dot_and_a_sheet_of_ink_fill_the_box() {
        let mut dot = vec![0; 90 * 70];
        dot[40 * 90 + 89] = 255;
        let square = drawing(&[255], 1, 1);
        assert_eq!(square.iter().filter(|&&pixel| pixel == 255).count(), FIT * FIT);
        assert_eq!(drawing(&dot, 90, 70), square);
        assert_eq!(drawing(&[255; 64 * 64], 64, 64), square);
    }

    /// Ink that is nearly all in a corner is moved as far as there is room.
    #[test]
    fn a_heavy_corner_stays_in_the_image() {
        for (row, column) in [(0, 0), (0, 19), (19, 0), (19, 19)] {
            let mut ink = vec![0; 20 * 20];
            (ink[0], ink[399]) = (1, 1);
            ink[row * 20 + column] = 255;
            let image = drawing(&ink, 20, 20);
            let inked = |image: &[u8]| image.iter().filter(|&&pixel| pixel > 0).count();
            assert_eq!(inked(&image), inked(&ink), "heavy at {row}, {column}");
        }
    }

    #[test]
    fn an_image_of_the_right_size_is_taken_as_it_is() {
        let mut pixels = vec![0; SIDE * SIDE];
        for row in 8..20 {
            pixels[row * SIDE + 13..][..3].fill(200);
        }
        assert_eq!(photograph(&pixels, SIDE, SIDE), pixels);
        let inverted: Vec<u8> = pixels.iter().map(|pixel| 255 - pixel).collect();
        let large = |image: &[u8]| -> Vec<u8> {
            (0..9 * SIDE * SIDE)
                .map(|i| image[i / (9 * SIDE) * SIDE + i % (3 * SIDE) / 3])
                .collect()
        };
        let as_drawn = photograph(&large(&inverted), 3 * SIDE, 3 * SIDE);
        assert_eq!(photograph(&inverted, SIDE, SIDE), as_drawn, "dark on light is prepared");
    }
}
