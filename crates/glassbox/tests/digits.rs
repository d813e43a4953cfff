//! The built-in digits: the same on every machine, and shaped like MNIST's.

use glassbox::data::digits::{PIXELS, SEED, SIDE, generate};
use sha2::{Digest, Sha256};

/// If this changes, every accuracy and loss recorded for `digits` is out of date.
#[test]
fn the_first_thousand_are_these() {
    let (pixels, labels) = generate(SEED, 0, 1000);
    let hash = Sha256::new().chain_update(&pixels).chain_update(&labels).finalize();
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "59780059efbf3343f29259613e7869026b1132df0fa08e9d7f250b921b750467");
}

#[test]
fn a_sample_does_not_depend_on_the_range_it_is_asked_for_in() {
    let (pixels, labels) = generate(7, 0, 250);
    for (first, count) in [(50, 50), (0, 1), (99, 2), (137, 113), (250, 0)] {
        let part = generate(7, first, count);
        let (from, to) = (first as usize, (first + count) as usize);
        assert!(part.0 == pixels[from * PIXELS..to * PIXELS], "pixels {from}..{to}");
        assert_eq!(part.1, labels[from..to]);
    }
}

#[test]
fn the_last_samples_that_have_a_number_can_be_had() {
    let (pixels, labels) = generate(7, u32::MAX - 3, 3);
    assert_eq!((pixels.len(), labels.len()), (3 * PIXELS, 3));
}

#[test]
fn seeds_differ() {
    assert_ne!(generate(1, 0, 20).0, generate(2, 0, 20).0);
    assert_ne!(generate(1, 0, 20).0, generate(1 + (1 << 32), 0, 20).0);
}

#[test]
fn labels_are_balanced_and_in_no_order() {
    let (_, labels) = generate(SEED, 0, 1000);
    for digit in 0..10 {
        assert_eq!(labels.iter().filter(|label| **label == digit).count(), 100);
    }
    // By chance one pair of neighbours in ten is equal; in sorted or cyclic labels all or none are.
    let equal = labels.windows(2).filter(|pair| pair[0] == pair[1]).count();
    assert!((60..140).contains(&equal), "{equal} equal neighbours");
    assert_ne!(labels[..100], labels[100..200]);
}

#[test]
fn digits_fill_the_box_and_are_centred() {
    let (pixels, _) = generate(SEED, 0, 2000);
    let (mut off, mut outside) = (0, 0);
    for image in pixels.chunks(PIXELS) {
        let mut extent = 0;
        for stride in [1, SIDE] {
            let place = |i: usize| i / stride % SIDE;
            let ink = || image.iter().enumerate().filter(|(_, pixel)| **pixel > 0);
            let mass: f32 = ink().map(|(_, &pixel)| f32::from(pixel)).sum();
            let moment: f32 = ink().map(|(i, &pixel)| f32::from(pixel) * place(i) as f32).sum();
            // MNIST's middle is pixel 14, counted from 0.
            off += usize::from((moment / mass - 14.0).abs() > 1.0);
            outside += ink().filter(|(i, _)| !(4..24).contains(&place(*i))).count();
            let high = ink().map(|(i, _)| place(i)).max().expect("there is ink");
            let low = ink().map(|(i, _)| place(i)).min().expect("there is ink");
            extent = extent.max(high + 1 - low);
        }
        assert!((19..=20).contains(&extent), "the longer side has {extent} pixels");
    }
    assert!(off <= 2, "{off} digits are off the middle by more than a pixel");
    let share = outside as f32 / pixels.len() as f32;
    assert!(share < 0.02, "{share} of the pixels are ink in the margins");
}

#[test]
fn the_tones_are_mnists() {
    let (pixels, _) = generate(SEED, 0, 2000);
    let share = |from: u8, to: u8| {
        let count = pixels.iter().filter(|pixel| (from..=to).contains(pixel)).count();
        count as f32 / pixels.len() as f32
    };
    // MNIST's shares: 0.81 black, 0.12 grey, 0.07 white.
    let (black, grey, white) = (share(0, 0), share(1, 250), share(251, 255));
    assert!((0.75..0.87).contains(&black), "{black} black");
    assert!((0.08..0.16).contains(&grey), "{grey} grey");
    assert!((0.05..0.10).contains(&white), "{white} white");
}

/// The mean images of two digits differ, and no sample is drawn twice.
#[test]
fn digits_differ() {
    let (pixels, labels) = generate(SEED, 0, 2000);
    let mut means = vec![[0.0f32; PIXELS]; 10];
    for (image, &label) in pixels.chunks(PIXELS).zip(&labels) {
        for (mean, &pixel) in means[usize::from(label)].iter_mut().zip(image) {
            *mean += f32::from(pixel) / (200.0 * 255.0);
        }
    }
    for (a, first) in means.iter().enumerate() {
        for (b, second) in means.iter().enumerate().skip(a + 1) {
            let square: f32 = first.iter().zip(second).map(|(x, y)| (x - y) * (x - y)).sum();
            assert!(square > 4.0, "the means of {a} and {b} differ by {square}");
        }
    }
    let mut images: Vec<&[u8]> = pixels.chunks(PIXELS).collect();
    images.sort_unstable();
    assert!(images.windows(2).all(|pair| pair[0] != pair[1]));
}
