//! Pictures as PNG files: exactly the elements that our SVG writer has, painted without a browser.

mod letters;
mod shapes;

use crate::raster::Raster;
use roxmltree::{Document, Node};
use shapes::{Canvas, Ink};
use tiny_skia::Pixmap;

/// The most pixels that a PNG may have.
const MOST_PIXELS: f64 = 67_108_864.0;

/// The smallest and the largest scale.
const SCALES: [f64; 2] = [0.25, 8.0];

/// Attributes that change nothing of what is seen.
const SILENT: [&str; 11] = [
    "aria-hidden",
    "aria-label",
    "class",
    "font-family",
    "font-variant",
    "height",
    "image-rendering",
    "preserveAspectRatio",
    "role",
    "viewBox",
    "width",
];

/// Why a picture is no PNG.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PngError {
    /// It is no SVG at all.
    #[error("this is no picture: {0} (hint: only pictures of Glassbox become PNG files)")]
    Text(String),

    /// It has something that is not painted.
    #[error("{0} cannot be painted (hint: only pictures of Glassbox become PNG files)")]
    Unknown(String),

    /// It would have too many pixels.
    #[error(
        "{width} × {height} pixels are too many for a PNG, of which 64 million are painted (hint: take a smaller scale or width)"
    )]
    Large {
        /// Its width in pixels.
        width: f64,
        /// Its height in pixels.
        height: f64,
    },

    /// Pictures are not painted so large or small.
    #[error("a scale of {0} is not from 0.25 to 8 (hint: 2 is sharp on most screens)")]
    Scale(f64),
}

/// The bytes of a PNG file of a picture that a function of this crate has drawn, with `scale` pixels for each of the
/// picture's. Texts are set in DejaVu Sans Condensed; a letter that is not among its 296 here is a box. The same picture
/// gives the same bytes.
///
/// # Errors
///
/// If the scale is not from 0.25 to 8, there would be more than 64 million pixels, or `svg` holds anything that this
/// crate's pictures do not.
pub fn png(svg: &str, scale: f64) -> Result<Vec<u8>, PngError> {
    if !(SCALES[0]..=SCALES[1]).contains(&scale) {
        return Err(PngError::Scale(scale));
    }
    let document = Document::parse(svg).map_err(|error| PngError::Text(error.to_string()))?;
    let root = document.root_element();
    if root.tag_name().name() != "svg" {
        return Err(PngError::Text(format!("<{}> is no <svg>", root.tag_name().name())));
    }
    let side = |name| number(&root, name).map(|side| (side * scale).round());
    let (width, height) = (side("width")?, side("height")?);
    if !(width >= 1.0 && height >= 1.0 && width * height <= MOST_PIXELS) {
        return Err(PngError::Large { width, height });
    }
    let pixmap = Pixmap::new(width as u32, height as u32);
    let mut canvas = Canvas::new(pixmap.ok_or(PngError::Large { width, height })?, scale);
    paint_all(&mut canvas, &root)?;
    let said = |name: &str| root.children().find(|child| child.tag_name().name() == name);
    let said = ["title", "desc"].map(|name| said(name).and_then(|node| node.text()).unwrap_or(""));
    Ok(canvas.raster().file(scale, said))
}

fn paint_all(canvas: &mut Canvas, parent: &Node) -> Result<(), PngError> {
    for node in parent.children().filter(Node::is_element) {
        match node.tag_name().name() {
            "title" | "desc" => {}
            "g" => {
                check(&node, &[])?;
                paint_all(canvas, &node)?;
            }
            name => paint(canvas, &node, name)?,
        }
    }
    Ok(())
}

/// Paints an element, whatever it is.
fn paint(canvas: &mut Canvas, node: &Node, name: &str) -> Result<(), PngError> {
    const INK: [&str; 8] = [
        "fill",
        "fill-opacity",
        "stroke",
        "stroke-opacity",
        "stroke-width",
        "stroke-dasharray",
        "stroke-linecap",
        "stroke-linejoin",
    ];
    let at = |name| number(node, name);
    let has = |more: &[&str]| check(node, &[more, &INK[..]].concat());
    match name {
        "rect" => {
            has(&["x", "y", "rx"])?;
            let sides = [at("x")?, at("y")?, at("width")?, at("height")?];
            let round = node.attribute("rx").map_or(Ok(0.0), |_| at("rx"))?;
            canvas.shape(shapes::rect(sides, round), &ink(node)?);
        }
        "line" => {
            has(&["x1", "y1", "x2", "y2"])?;
            let ends = [[at("x1")?, at("y1")?], [at("x2")?, at("y2")?]];
            canvas.shape(shapes::line(ends), &Ink { fill: None, ..ink(node)? });
        }
        "circle" => {
            has(&["cx", "cy", "r"])?;
            canvas.shape(shapes::circle([at("cx")?, at("cy")?], at("r")?), &ink(node)?);
        }
        "path" => {
            has(&["d"])?;
            let data = node.attribute("d").unwrap_or_default();
            let path = shapes::outline(data).ok_or_else(|| unknown(node, "d"))?;
            canvas.shape(path.finish(), &ink(node)?);
        }
        "text" => {
            has(&["x", "y", "font-size", "font-weight", "text-anchor"])?;
            text(canvas, node)?;
        }
        "image" => {
            check(node, &["x", "y", "href"])?;
            let href = node.attribute("href").unwrap_or_default();
            let raster = Raster::read(href).ok_or_else(|| unknown(node, "href"))?;
            let sides = [at("x")?, at("y")?, at("width")?, at("height")?];
            canvas.image(&raster, sides).ok_or_else(|| unknown(node, "href"))?;
        }
        _ => return Err(PngError::Unknown(format!("<{name}>"))),
    }
    Ok(())
}

fn text(canvas: &mut Canvas, node: &Node) -> Result<(), PngError> {
    if node.children().any(|child| child.is_element()) {
        return Err(PngError::Unknown("an element in a <text>".to_string()));
    }
    let is_bold = match node.attribute("font-weight") {
        None => false,
        Some("600") => true,
        Some(_) => return Err(unknown(node, "font-weight")),
    };
    let share = match node.attribute("text-anchor") {
        None | Some("start") => 0.0,
        Some("middle") => 0.5,
        Some("end") => 1.0,
        Some(_) => return Err(unknown(node, "text-anchor")),
    };
    // SVG shows any white space as one blank, and none at the ends.
    let words = node.text().unwrap_or_default().split([' ', '\t', '\n', '\r']);
    let text = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    let size = number(node, "font-size")?;
    let width = letters::width(&text, size, is_bold);
    let at = [number(node, "x")? - share * width, canvas.whole(number(node, "y")?)];
    canvas.shape(letters::set(&text, at, size, is_bold), &ink(node)?);
    Ok(())
}

/// Whether an element has no attributes but these and those that change nothing.
fn check(node: &Node, known: &[&str]) -> Result<(), PngError> {
    let is_known =
        |name: &str| known.contains(&name) || SILENT.contains(&name) || name.starts_with("data-");
    match node.attributes().find(|attribute| !is_known(attribute.name())) {
        Some(attribute) => Err(unknown(node, attribute.name())),
        None => Ok(()),
    }
}

fn unknown(node: &Node, attribute: &str) -> PngError {
    let value: String = node.attribute(attribute).unwrap_or_default().chars().take(40).collect();
    PngError::Unknown(format!("<{} {attribute}={value:?}>", node.tag_name().name()))
}

fn number(node: &Node, name: &str) -> Result<f64, PngError> {
    let value = node.attribute(name).and_then(|text| text.parse::<f64>().ok());
    value.filter(|x| x.abs() <= 1e6).ok_or_else(|| unknown(node, name))
}

/// What an element is painted with.
fn ink(node: &Node) -> Result<Ink, PngError> {
    let is_round = |name| match node.attribute(name) {
        None => Ok(false),
        Some("round") => Ok(true),
        Some(_) => Err(unknown(node, name)),
    };
    let dashes = match node.attribute("stroke-dasharray") {
        None | Some("none") => Vec::new(),
        Some(text) => {
            let all = text.split(' ').map(|word| word.parse().ok().filter(|x| *x > 0.0));
            let all: Option<Vec<f32>> = all.collect();
            all.ok_or_else(|| unknown(node, "stroke-dasharray"))?
        }
    };
    Ok(Ink {
        fill: colour(node, "fill", "fill-opacity", Some([0; 3]))?,
        stroke: colour(node, "stroke", "stroke-opacity", None)?,
        width: node.attribute("stroke-width").map_or(Ok(1.0), |_| number(node, "stroke-width"))?,
        dashes,
        has_round_ends: is_round("stroke-linecap")?,
        has_round_joins: is_round("stroke-linejoin")?,
    })
}

/// A colour, and how much it covers.
fn colour(
    node: &Node,
    name: &str,
    opacity: &str,
    default: Option<[u8; 3]>,
) -> Result<Option<([u8; 3], f64)>, PngError> {
    let colour = match node.attribute(name) {
        None => default,
        Some("none") => None,
        Some(text) => Some(shapes::colour(text).ok_or_else(|| unknown(node, name))?),
    };
    let share = node.attribute(opacity).map_or(Ok(1.0), |_| number(node, opacity))?;
    Ok(colour.map(|colour| (colour, share.clamp(0.0, 1.0))))
}
