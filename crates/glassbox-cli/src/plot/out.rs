//! Where pictures go, and as what: SVG or PNG.

use crate::Failure;
use crate::args::{Format, Plot};
use glassbox::file::durable;
use std::path::{Path, PathBuf};

/// Pixels of a PNG for each of the picture's, if nobody says otherwise: sharp on most screens.
const SCALE: f64 = 2.0;

/// Where pictures go, and as what.
pub struct Out {
    place: Place,
    format: Format,
    scale: f64,
}

enum Place {
    File(PathBuf),
    Folder(PathBuf),
}

impl Out {
    /// A name that ends in .svg or .png is a file, any other a folder, which is made.
    pub fn new(arguments: &Plot, names: &[String]) -> Result<Out, Failure> {
        let named = arguments.out.as_deref().filter(|path| !path.is_dir()).and_then(ending);
        let format = format(arguments, named.as_deref())?;
        if arguments.scale.is_some() && format == Format::Svg {
            let message = "a picture in SVG has no pixels (hint: --scale goes with --format png)";
            return Err(Failure::Usage(message.to_string()));
        }
        let default = match names {
            [one] => PathBuf::from(format!("{}.{}", one, format.ending())),
            _ => PathBuf::from("plots"),
        };
        let path = arguments.out.clone().unwrap_or(default);
        let place = match names {
            [_] if named.is_some() || arguments.out.is_none() => Place::File(path),
            _ if named.is_some() => {
                let (shown, count) = (path.display(), names.len());
                let hint = "name a folder with --out";
                return Err(Failure::Usage(format!(
                    "{shown}: one file cannot hold {count} pictures (hint: {hint})"
                )));
            }
            _ => {
                make(&path)?;
                Place::Folder(path)
            }
        };
        Ok(Out { place, format, scale: arguments.scale.unwrap_or(SCALE) })
    }

    /// Writes a picture, and returns where it is.
    pub fn write(&self, name: &str, svg: &str) -> Result<PathBuf, Failure> {
        let path = match &self.place {
            Place::File(path) => path.clone(),
            Place::Folder(folder) => folder.join(format!("{}.{}", name, self.format.ending())),
        };
        let png = match self.format {
            Format::Svg => None,
            Format::Png => Some(
                glassbox_plot::png(svg, self.scale)
                    .map_err(|error| Failure::Usage(format!("{name}: {error}")))?,
            ),
        };
        durable::write(&path, png.as_deref().unwrap_or(svg.as_bytes()))?;
        Ok(path)
    }
}

impl Format {
    fn ending(self) -> &'static str {
        match self {
            Format::Svg => "svg",
            Format::Png => "png",
        }
    }
}

/// The ending of a file of pictures; other names are those of folders.
fn ending(path: &Path) -> Option<String> {
    let ending = path.extension()?.to_string_lossy().to_lowercase();
    ["svg", "png", "pdf", "jpg", "jpeg", "gif", "webp"].contains(&&*ending).then_some(ending)
}

/// The format that was asked for, in words or by the name of the file.
fn format(arguments: &Plot, ending: Option<&str>) -> Result<Format, Failure> {
    let by_name = match ending {
        None => None,
        Some("svg") => Some(Format::Svg),
        Some("png") => Some(Format::Png),
        Some(other) => {
            let message =
                format!("pictures are SVG or PNG files, not {other} (hint: name it .svg or .png)");
            return Err(Failure::Usage(message));
        }
    };
    match (arguments.format, by_name) {
        (Some(asked), Some(named)) if asked != named => {
            let message = "--format and the name of the file disagree (hint: leave one out)";
            Err(Failure::Usage(message.to_string()))
        }
        (asked, named) => Ok(asked.or(named).unwrap_or(Format::Svg)),
    }
}

fn make(folder: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(folder).map_err(|error| {
        let (error, hint) = match folder.exists() && !folder.is_dir() {
            true => ("it is no folder".to_string(), "a picture's file ends in .svg or .png"),
            false => (error.to_string(), "name another folder with --out"),
        };
        Failure::Other(format!("{}: {error} (hint: {hint})", folder.display()))
    })
}
