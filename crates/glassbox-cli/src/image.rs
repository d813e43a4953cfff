//! Images: PNG files in and out, and pictures made of characters.

use crate::Failure;
use glassbox::file::durable;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// The most pixels an image to be read may have.
const MOST_PIXELS: u64 = 64 << 20;

/// A grey image.
pub struct Grey {
    /// `width` · `height` bytes, 0 is black.
    pub pixels: Vec<u8>,
    pub width: usize,
    pub height: usize,
}

/// Reads a PNG file as grey; transparent is white.
pub fn read_png(path: &Path) -> Result<Grey, String> {
    let fail =
        |reason: String| format!("{}: {reason} (hint: PNG images can be read)", path.display());
    let file = File::open(path)
        .map_err(|error| format!("{}: {error} (hint: check the spelling)", path.display()))?;
    let mut decoder = png::Decoder::new(BufReader::new(file));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(|error| fail(error.to_string()))?;
    let (width, height) = reader.info().size();
    if u64::from(width) * u64::from(height) > MOST_PIXELS {
        return Err(fail(format!(
            "it is {width}×{height} pixels large, at most 64 million are read"
        )));
    }
    let size = reader.output_buffer_size().ok_or_else(|| fail("it is too large".to_string()))?;
    let mut bytes = vec![0; size];
    let frame = reader.next_frame(&mut bytes).map_err(|error| fail(error.to_string()))?;
    let channels = frame.color_type.samples();
    let pixels = bytes[..frame.buffer_size()].chunks_exact(channels).map(to_grey).collect();
    Ok(Grey { pixels, width: width as usize, height: height as usize })
}

/// The lightness of a pixel of 1 to 4 channels (ITU-R BT.601), over white.
fn to_grey(pixel: &[u8]) -> u8 {
    let (light, alpha) = match *pixel {
        [grey] => (u32::from(grey) * 1000, 255),
        [grey, alpha] => (u32::from(grey) * 1000, u32::from(alpha)),
        [red, green, blue] => (weigh(red, green, blue), 255),
        [red, green, blue, alpha] => (weigh(red, green, blue), u32::from(alpha)),
        _ => unreachable!("a PNG has 1 to 4 channels"),
    };
    ((light * alpha / 255 + 255_000 * (255 - alpha) / 255) / 1000) as u8
}

fn weigh(red: u8, green: u8, blue: u8) -> u32 {
    299 * u32::from(red) + 587 * u32::from(green) + 114 * u32::from(blue)
}

/// Writes a grey PNG file; on an error whatever was there before is still there.
pub fn write_png(path: &Path, grey: &Grey) -> Result<(), Failure> {
    let bytes = encoded(grey).map_err(|error| {
        Failure::Other(format!("{}: {error} (hint: draw fewer images)", path.display()))
    })?;
    Ok(durable::write(path, &bytes)?)
}

/// The bytes of a grey PNG file.
fn encoded(grey: &Grey) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, grey.width as u32, grey.height as u32);
    encoder.set_color(png::ColorType::Grayscale);
    // This one compresses with fdeflate, which was written for PNG. The better ones leave it to whichever
    // zlib the program is built with, so the same picture would have other bytes in another build.
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&grey.pixels)?;
    writer.finish()?;
    Ok(bytes)
}

/// A picture of characters, the darker the ink the heavier; two rows of pixels a line, since
/// characters are about twice as high as wide.
pub fn in_characters(pixels: &[u8], columns: usize) -> String {
    const INK: &[u8] = b" .:-=+*#%@";
    let rows: Vec<&[u8]> = pixels.chunks(columns.max(1)).collect();
    let lines = rows.chunks(2).map(|pair| {
        let shade = |column: usize| {
            let sum: usize = pair.iter().map(|row| usize::from(row[column])).sum();
            char::from(INK[sum * (INK.len() - 1) / (255 * pair.len())])
        };
        (0..columns).map(shade).collect::<String>()
    });
    lines.collect::<Vec<_>>().join("\n")
}
