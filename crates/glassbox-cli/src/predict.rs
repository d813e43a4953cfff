//! `glassbox predict`.

use crate::Failure;
use crate::args::Predict;
use crate::eval::data_for;
use crate::image::{in_characters, read_png};
use crate::output::{note, say};
use glassbox::data::prepare;
use glassbox::{Device, Flow, Network};
use serde_json::{Value, json};

/// How many classes are listed for an image.
const MOST_LISTED: usize = 10;

/// An image to be told.
struct Image {
    name: String,
    pixels: Vec<u8>,
    columns: usize,
    label: Option<u8>,
}

pub fn run(arguments: Predict) -> Result<(), Failure> {
    let (device, _) = Device::choose(arguments.device.device, arguments.device.threads)?;
    let mut network = glassbox::run::load_model(&arguments.model, arguments.network.as_deref())?;
    let images = if arguments.images.is_empty() {
        test_images(&arguments)?
    } else {
        png_images(&arguments)?
    };
    let mut results = Vec::new();
    for image in images {
        let flow = flow(&mut network, &device, &image)?;
        if flow.answer.is_none() {
            note(format!(
                "warning: {}: the outputs are not finite, so there is no answer: the model holds \
                 infinities or NaN, or makes them",
                image.name
            ));
        }
        if arguments.json {
            results.push(as_json(&image, &flow));
        } else {
            say(as_text(&image, &flow));
        }
    }
    if arguments.json {
        say(Value::Array(results));
    }
    Ok(())
}

fn test_images(arguments: &Predict) -> Result<Vec<Image>, Failure> {
    let directory = arguments.data_dir.as_deref();
    let set = data_for(&arguments.model, arguments.data.as_deref(), directory)?.test;
    let name = &set.name;
    let image = |&row: &usize| {
        if row >= set.len() {
            let message = format!(
                "{name} has {} test images, there is no row {row} (hint: rows count from 0)",
                set.len()
            );
            return Err(Failure::Usage(message));
        }
        let (name, pixels) = (format!("{name} test image {row}"), set.image(row).to_vec());
        Ok(Image { name, pixels, columns: set.cols, label: Some(set.labels[row]) })
    };
    if arguments.rows.is_empty() {
        return (0..set.len().min(3)).map(|row| image(&row)).collect();
    }
    arguments.rows.iter().map(image).collect()
}

fn png_images(arguments: &Predict) -> Result<Vec<Image>, Failure> {
    let image = |path: &std::path::PathBuf| {
        let grey = read_png(path).map_err(Failure::Other)?;
        let pixels = prepare::photograph(&grey.pixels, grey.width, grey.height);
        Ok(Image { name: path.display().to_string(), pixels, columns: prepare::SIDE, label: None })
    };
    arguments.images.iter().map(image).collect()
}

fn flow(network: &mut Network, device: &Device, image: &Image) -> Result<Flow, Failure> {
    if image.pixels.len() != network.input_width() {
        let (found, needed) = (image.pixels.len(), network.input_width());
        let message = format!(
            "{} has {found} pixels, the network {network} takes {needed} (hint: use images like those it was trained on)",
            image.name
        );
        return Err(Failure::Other(message));
    }
    Ok(Flow::of_image(network, device, &image.pixels)?)
}

fn as_json(image: &Image, flow: &Flow) -> Value {
    json!({
        "image": image.name,
        "prediction": flow.answer,
        "label": image.label,
        "probabilities": flow.probabilities,
    })
}

fn as_text(image: &Image, flow: &Flow) -> String {
    let answer = flow.answer;
    let verdict = match image.label.map(usize::from) {
        Some(label) if answer == Some(label) => format!(", and {label} it is"),
        Some(label) => format!(", but it is {label}"),
        None => String::new(),
    };
    let answer = answer.map_or("no answer".to_string(), |class| class.to_string());
    let picture = in_characters(&image.pixels, image.columns);
    let (picture, bars): (Vec<&str>, _) = (picture.lines().collect(), bars(flow));
    let rows = (0..picture.len().max(bars.len())).map(|row| {
        let line = picture.get(row).copied().unwrap_or_default();
        let bar = bars.get(row).map_or("", String::as_str);
        format!("{line:width$}  {bar}", width = image.columns).trim_end().to_string()
    });
    format!("{}: {answer}{verdict}\n{}\n", image.name, rows.collect::<Vec<_>>().join("\n"))
}

/// A line for each class, the most probable first, and one for those that are not listed.
fn bars(flow: &Flow) -> Vec<String> {
    let bar = |class: usize| {
        let share = flow.probabilities[class];
        let length = (24.0 * share).round() as usize;
        format!("{class:>3}  {:>6.2} %  {}", 100.0 * share, "█".repeat(length))
    };
    let mut bars: Vec<String> = flow.ranked().into_iter().take(MOST_LISTED).map(bar).collect();
    let left = flow.probabilities.len().saturating_sub(MOST_LISTED);
    bars.extend((left > 0).then(|| format!("and {left} more")));
    bars
}
