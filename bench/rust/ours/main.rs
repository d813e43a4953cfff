//! Glassbox's part of the comparison, in process: `steps`, `products`, `limits` or `inference`, then
//! the arguments of `bench/peers/common.py`. Prints one JSON object.

#[path = "../common.rs"]
mod common;
mod inference;
mod limits;
mod products;
mod steps;

use common::Arguments;

/// The version of Glassbox, of which the workspace has one.
const VERSION: &str = concat!("glassbox ", env!("PEER_VERSION"));

fn main() {
    let arguments = Arguments::from(2);
    match std::env::args().nth(1).as_deref() {
        Some("steps") => steps::run(&arguments),
        Some("products") => products::run(&arguments),
        Some("limits") => limits::run(&arguments),
        Some("inference") => inference::run(&arguments),
        other => panic!("{other:?}: steps, products, limits or inference is expected"),
    }
}
