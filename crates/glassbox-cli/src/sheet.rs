//! A sheet of images, with what a network takes them for.

use crate::Failure;
use crate::image::Grey;
use glassbox::data::Dataset;
use glassbox::{Device, Samples, Tensor};
use std::path::Path;

/// Images in a row.
const ACROSS: usize = 20;
/// Space around an image, in pixels.
const GAP: usize = 3;
/// The height of a line of text, and how much each pixel of its characters is enlarged.
const TEXT: usize = 9;

/// The digits 0 to 9, five rows of three pixels.
const FONT: [[u8; 5]; 10] = [
    [0b111, 0b101, 0b101, 0b101, 0b111],
    [0b010, 0b110, 0b010, 0b010, 0b111],
    [0b111, 0b001, 0b111, 0b100, 0b111],
    [0b111, 0b001, 0b111, 0b001, 0b111],
    [0b101, 0b101, 0b111, 0b001, 0b001],
    [0b111, 0b100, 0b111, 0b001, 0b111],
    [0b111, 0b100, 0b111, 0b101, 0b111],
    [0b111, 0b001, 0b010, 0b010, 0b010],
    [0b111, 0b101, 0b111, 0b101, 0b111],
    [0b111, 0b101, 0b111, 0b001, 0b111],
];

/// The first `count` images of a set, dark on light; under each the class that the model says, and
/// a bar beside it where that is wrong.
pub fn sheet(set: &Dataset, count: usize, model: Option<&Path>) -> Result<Grey, Failure> {
    let count = count.clamp(1, set.len().max(1)).min(set.len());
    let answers = match model {
        Some(path) => Some(predictions(set, count, path)?),
        None => None,
    };
    let text = if answers.is_some() { TEXT } else { 0 };
    let (cell_width, cell_height) = (set.cols + 2 * GAP, set.rows + 2 * GAP + text);
    let (across, down) = (ACROSS.min(count).max(1), count.div_ceil(ACROSS).max(1));
    let (width, height) = (across * cell_width, down * cell_height);
    let mut sheet = Grey { pixels: vec![255; width * height], width, height };
    for index in 0..count {
        let left = index % across * cell_width + GAP;
        let top = index / across * cell_height + GAP;
        for (row, line) in set.image(index).chunks(set.cols).enumerate() {
            for (column, ink) in line.iter().enumerate() {
                sheet.pixels[(top + row) * width + left + column] = 255 - ink;
            }
        }
        if let Some(answers) = &answers {
            let is_right = answers[index] == u32::from(set.labels[index]);
            let left = left + set.cols / 2;
            write_number(&mut sheet, answers[index], left, top + set.rows + 3, is_right);
        }
    }
    Ok(enlarged(&sheet))
}

/// The same picture with every pixel a square of four: at its own size a digit is hard to see.
fn enlarged(grey: &Grey) -> Grey {
    let (width, height) = (2 * grey.width, 2 * grey.height);
    let pixel = |index: usize| grey.pixels[index / width / 2 * grey.width + index % width / 2];
    Grey { pixels: (0..width * height).map(pixel).collect(), width, height }
}

/// What a model takes the first images of a set for.
fn predictions(set: &Dataset, count: usize, path: &Path) -> Result<Vec<u32>, Failure> {
    let mut network = glassbox::run::load_model(path, None)?;
    let samples = Samples::new(set.clone())?;
    glassbox::evaluate::check_widths(&network, &samples)?;
    let device = Device::cpu(None)?;
    let order: Vec<u32> = (0..count as u32).collect();
    let mut x = Tensor::zeros(&[count, samples.width]);
    samples.gather(&device, &mut x, &order)?;
    let mut answers = Vec::new();
    device.argmax(&mut answers, network.forward(&device, &x)?)?;
    Ok(answers)
}

/// Writes a number centred at `middle`; one that is wrong stands light in a dark box.
fn write_number(sheet: &mut Grey, number: u32, middle: usize, top: usize, is_right: bool) {
    let digits: Vec<usize> =
        number.to_string().bytes().map(|byte| usize::from(byte - b'0')).collect();
    let left = middle.saturating_sub(2 * digits.len());
    if !is_right {
        for row in top.saturating_sub(2)..(top + 7).min(sheet.height) {
            let line = &mut sheet.pixels[row * sheet.width..][..sheet.width];
            line[left.saturating_sub(2)..(left + 4 * digits.len() + 1).min(sheet.width)].fill(0);
        }
    }
    for (place, digit) in digits.into_iter().enumerate() {
        for (row, bits) in FONT[digit].iter().enumerate() {
            for column in (0..3).filter(|column| bits & (0b100 >> column) != 0) {
                let index = (top + row) * sheet.width + left + 4 * place + column;
                if let Some(pixel) = sheet.pixels.get_mut(index) {
                    *pixel = if is_right { 0 } else { 255 };
                }
            }
        }
    }
}
