//! Drawings are prepared as MNIST was: its own digits, drawn large and anywhere, come back bit for bit.
#![allow(clippy::print_stderr)] // a skip is printed

use glassbox::cpu::reference::philox::{Philox, Purpose};
use glassbox::data::prepare::{SIDE, drawing};
use glassbox::data::{LoadOptions, load};

/// An image, each pixel `times` wide and high, somewhere on a sheet of `side` · `side`.
fn enlarged(image: &[u8], times: usize, side: usize, [top, left]: [usize; 2]) -> Vec<u8> {
    let mut sheet = vec![0; side * side];
    for (index, &pixel) in image.iter().enumerate() {
        let (row, column) = (top + index / SIDE * times, left + index % SIDE * times);
        (row..row + times).for_each(|row| sheet[row * side + column..][..times].fill(pixel));
    }
    sheet
}

#[test]
fn digits_of_mnist_that_are_drawn_large_come_back_bit_for_bit() {
    let env_dir = std::env::var_os("GLASSBOX_DATA").map(std::path::PathBuf::from);
    if env_dir.is_none() {
        eprintln!("SKIPPED: real MNIST, because GLASSBOX_DATA is not set");
        return;
    }
    let options = LoadOptions { env_dir, ..LoadOptions::default() };
    let set = load("mnist", &options).expect("GLASSBOX_DATA holds MNIST").test;
    let stream = Philox::new(1, Purpose::Test, 0, 0);
    let mut tilted = 0;
    for row in 0..set.len() {
        let at = |draw: u64, below: usize| {
            (stream.uniform(3 * row as u64 + draw) * below as f32) as usize
        };
        let (image, times) = (set.image(row), 1 + at(0, 4));
        let side = SIDE * 5;
        let place = [at(1, side - times * SIDE), at(2, side - times * SIDE)];
        let found = drawing(&enlarged(image, times, side, place), side, side);
        tilted += usize::from(found != image);
    }
    // Where the centre of mass lies between two pixels, MNIST took one and we the other.
    eprintln!("{tilted} of {} come back a pixel off", set.len());
    assert!(tilted <= set.len() / 1000, "{tilted} of {} came back otherwise", set.len());
}
