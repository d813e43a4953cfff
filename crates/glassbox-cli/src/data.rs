//! `glassbox data`: list, get, show.

use crate::Failure;
use crate::args::{Data, DataCommand};
use crate::image::{Grey, write_png};
use crate::output::{note, say};
use crate::sheet::sheet;
use crate::train::load_options;
use glassbox::data::{At, DataName, DataPair, LoadOptions, get, list, load};
use std::path::Path;

pub fn run(arguments: Data) -> Result<(), Failure> {
    match arguments.command {
        DataCommand::List => {
            show_list();
            Ok(())
        }
        DataCommand::Get { name, out } => fetch(&name, out.as_deref()),
        DataCommand::Show { name, data_dir, out, count, model } => {
            let set = load(&name, &load_options(data_dir.as_deref(), true))?.test;
            let picture: Grey = sheet(&set, count, model.as_deref())?;
            write_png(&out, &picture)?;
            say(format!("{}: {} test images of {}", out.display(), count.min(set.len()), set.name));
            Ok(())
        }
    }
}

fn show_list() {
    for set in list(&LoadOptions::from_env()) {
        let place = match set.at {
            At::BuiltIn => "built in, nothing to fetch".to_string(),
            At::Folder(folder) => format!("in {}", folder.display()),
            At::Nowhere(_) => {
                let megabytes = set.packed_bytes as f64 / 1e6;
                format!("not here; `glassbox data get {}` fetches {megabytes:.1} MB", set.name)
            }
        };
        say(format!("{:<8} {:<36} {:<20} {place}", set.name, set.title, set.licence));
    }
}

fn fetch(name: &str, out: Option<&Path>) -> Result<(), Failure> {
    let data = match DataName::parse(name) {
        Some(known) => get(known, &LoadOptions::from_env())?,
        None if name == "digits" => load(name, &LoadOptions::from_env())?,
        None => {
            let message = format!(
                "'{name}' is no data set that can be fetched (hint: mnist, fashion, kmnist or digits)"
            );
            return Err(Failure::Usage(message));
        }
    };
    match out {
        Some(folder) => write_files(&data, folder)?,
        None if name == "digits" => note(
            "the digits are made anew whenever they are needed (hint: --out DIR writes them as IDX files)",
        ),
        None => {}
    }
    data.note.iter().for_each(note);
    let (train, test) = (data.train.len(), data.test.len());
    say(format!(
        "{}: {train} training and {test} test images, from {}",
        data.train.name, data.source
    ));
    Ok(())
}

/// The four IDX files of a set, in a folder.
fn write_files(data: &DataPair, folder: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(folder).map_err(|error| {
        Failure::Other(format!(
            "{}: {error} (hint: name another folder with --out)",
            folder.display()
        ))
    })?;
    for (half, set) in [("train", &data.train), ("t10k", &data.test)] {
        let sizes = [set.len(), set.rows, set.cols];
        let images = idx(3, &sizes, &set.images);
        let labels = idx(1, &sizes[..1], &set.labels);
        for (kind, bytes) in [("images-idx3", images), ("labels-idx1", labels)] {
            glassbox::file::durable::write(&folder.join(format!("{half}-{kind}-ubyte")), &bytes)?;
        }
    }
    Ok(())
}

/// An IDX file of bytes: magic 0x0800 + rank, sizes, data.
fn idx(rank: u8, sizes: &[usize], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, rank];
    sizes.iter().for_each(|&size| bytes.extend((size as u32).to_be_bytes()));
    bytes.extend(data);
    bytes
}
