//! A picture of a digit from anywhere, made like those of MNIST.
//!
//! MNIST's digits are light on dark, fitted into 20×20 pixels with their shape kept, and placed so
//! that their centre of mass is the centre of 28×28 (LeCun et al., "The MNIST database"). A network
//! that learned from them knows no others, so a drawing or a photograph is brought into that form.

/// The side of a prepared image.
pub const SIDE: usize = 28;

/// The side that the digit is fitted into.
const FIT: usize = 20;

/// Paper that is lighter than this has dark ink on it.
const LIGHT: u8 = 127;

/// Ink fainter than this share of the strongest is paper.
const FAINT: u32 = 8;

/// A prepared image of `SIDE` · `SIDE` bytes, from a grey one of `width` · `height`. An image that
/// has this size already and is light on dark is taken as it is.
///
/// # Panics
/// If there are other than `width` · `height` pixels.
pub fn prepare(pixels: &[u8], width: usize, height: usize) -> Vec<u8> {
    assert_eq!(pixels.len(), width * height, "an image has width times height pixels");
    let paper = paper(pixels, width, height);
    if (width, height) == (SIDE, SIDE) && paper <= LIGHT {
        return pixels.to_vec();
    }
    let ink = light_on_dark(pixels, paper);
    let Some([top, bottom, left, right]) = bounds(&ink, width) else {
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
            small[i * wide + j] = mean(&ink, width, rows, high, columns, wide);
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

/// The first and the past-the-last row and column with ink.
fn bounds(ink: &[u8], width: usize) -> Option<[usize; 4]> {
    let strongest = u32::from(*ink.iter().max()?);
    let is_ink = |&index: &usize| u32::from(ink[index]) * FAINT > strongest;
    let inked: Vec<usize> = (0..ink.len()).filter(is_ink).collect();
    let rows = inked.iter().map(|index| index / width);
    let columns = inked.iter().map(|index| index % width);
    Some([rows.clone().min()?, rows.max()? + 1, columns.clone().min()?, columns.max()? + 1])
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
        // In half pixels, since the middle of 28 pixels lies between two.
        ((2 * moment + total / 2) / total.max(1)) as usize + 1
    };
    let (row, column) = (centre(&|i| i / wide), centre(&|i| i % wide));
    let (top, left) = (start(row, high), start(column, wide));
    let mut image = vec![0; SIDE * SIDE];
    for (i, line) in small.chunks(wide).enumerate() {
        image[(top + i) * SIDE + left..][..wide].copy_from_slice(line);
    }
    image
}

/// Where an image of `side` pixels begins whose centre of mass is at `centre` half pixels.
fn start(centre: usize, side: usize) -> usize {
    (SIDE.saturating_sub(centre) / 2).min(SIDE - side)
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
        let image = prepare(&pixels, width, height);
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
            prepare(&pixels, 100, 100)
        };
        for (paper, ink) in [(225, 25), (160, 90), (0, 255), (40, 120), (130, 126)] {
            assert_eq!(draw(paper, ink), draw(255, 0), "{ink} on {paper}");
        }
    }

    #[test]
    fn odd_images_do_no_harm() {
        for (width, height) in [(1, 1), (1, 300), (300, 1), (3, 2), (0, 0), (29, 28)] {
            for shade in [0, 255, 100] {
                assert_eq!(prepare(&vec![shade; width * height], width, height).len(), SIDE * SIDE);
            }
        }
    }

    #[test]
    fn an_image_of_the_right_size_is_taken_as_it_is() {
        let mut pixels = vec![0; SIDE * SIDE];
        for row in 8..20 {
            pixels[row * SIDE + 13..][..3].fill(200);
        }
        assert_eq!(prepare(&pixels, SIDE, SIDE), pixels);
        let inverted: Vec<u8> = pixels.iter().map(|pixel| 255 - pixel).collect();
        let large = |image: &[u8]| -> Vec<u8> {
            (0..9 * SIDE * SIDE)
                .map(|i| image[i / (9 * SIDE) * SIDE + i % (3 * SIDE) / 3])
                .collect()
        };
        let as_drawn = prepare(&large(&inverted), 3 * SIDE, 3 * SIDE);
        assert_eq!(prepare(&inverted, SIDE, SIDE), as_drawn, "dark on light is prepared");
    }
}
