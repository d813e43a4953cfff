//! `glassbox plot`: pictures of runs.

mod out;

use crate::Failure;
use crate::args::{Plot, What};
use crate::output::{note, say};
use crate::train::load_options;
use clap::ValueEnum;
use glassbox_plot::{self as plot, CurveOptions, Details, Look, Picture, Rooflines, Runs};
use out::Out;
use std::path::Path;

pub fn run(arguments: Plot) -> Result<(), Failure> {
    if let Some(file) = &arguments.roofline {
        return roofline(&arguments, file);
    }
    let whats = whats(&arguments);
    let names: Vec<String> = whats.iter().map(|what| what.name().to_string()).collect();
    let out = Out::new(&arguments, &names)?;
    let options = load_options(arguments.data_dir.as_deref(), false);
    let mut runs = Runs::read(&arguments.runs, options)?;
    runs.notes().iter().for_each(note);
    let details = Details {
        look: Look::new(f64::from(arguments.width), arguments.theme),
        curves: CurveOptions { smooth: arguments.smooth, log: arguments.log },
        row: arguments.row,
    };
    let is_asked = !arguments.what.contains(&What::All);
    let (mut drawn, mut why_not) = (0, Vec::new());
    for what in whats {
        match runs.draw(what, &details) {
            Ok(svg) => {
                say(out.write(what.name(), &svg)?.display());
                drawn += 1;
            }
            Err(error) if is_asked => return Err(error.into()),
            Err(error) => why_not.push(format!("left out: {error}")),
        }
    }
    why_not.dedup();
    why_not.iter().for_each(note);
    match drawn {
        0 => Err(Failure::Other(
            "there is nothing to draw (hint: name the folder of a run that made steps)".to_string(),
        )),
        _ => Ok(()),
    }
}

/// The picture of recorded benchmarks, which needs no run.
fn roofline(arguments: &Plot, file: &Path) -> Result<(), Failure> {
    let name = "roofline".to_string();
    let out = Out::new(arguments, std::slice::from_ref(&name))?;
    let recorded = Rooflines::read(file)?;
    let look = Look::new(f64::from(arguments.width), arguments.theme);
    say(out.write(&name, &plot::roofline(&recorded, &look))?.display());
    Ok(())
}

/// The pictures that were asked for, each once; of several runs, all are those that compare them.
fn whats(arguments: &Plot) -> Vec<Picture> {
    let asked: Vec<Picture> = arguments.what.iter().filter_map(|what| what.picture()).collect();
    let is_all = arguments.what.contains(&What::All);
    let is_one = arguments.runs.len() == 1;
    let is_wanted = |picture: &Picture| match is_all {
        true => picture.compares() || is_one,
        false => asked.contains(picture),
    };
    Picture::ALL.into_iter().filter(is_wanted).collect()
}

impl What {
    /// The picture that is meant; none where it stands for all.
    fn picture(self) -> Option<Picture> {
        self.to_possible_value()?.get_name().parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_picture_can_be_asked_for() {
        let found = What::value_variants().iter().filter_map(|what| what.picture());
        assert_eq!(found.collect::<Vec<_>>(), Picture::ALL);
    }
}
