//! Pictures of pixels, as they stand in an SVG: PNG, in base64.

/// Pixels of three bytes, row by row.
pub(crate) struct Raster {
    pub width: usize,
    pub height: usize,
    pixels: Vec<u8>,
}

impl Raster {
    /// All pixels of one colour.
    pub fn new(width: usize, height: usize, colour: [u8; 3]) -> Raster {
        Raster { width, height, pixels: colour.repeat(width * height) }
    }

    pub fn set(&mut self, column: usize, row: usize, colour: [u8; 3]) {
        let at = 3 * (row * self.width + column);
        self.pixels[at..at + 3].copy_from_slice(&colour);
    }

    /// The picture as the address of an image. One with at most 256 colours, as most have, is written with a palette.
    pub fn uri(&self) -> String {
        let mut colours: Vec<[u8; 3]> =
            self.pixels.chunks_exact(3).map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect();
        colours.sort_unstable();
        colours.dedup();
        let bytes = if colours.len() <= 256 {
            let index = |pixel: &[u8]| {
                let colour = [pixel[0], pixel[1], pixel[2]];
                colours.binary_search(&colour).expect("it is one of them") as u8
            };
            let indices: Vec<u8> = self.pixels.chunks_exact(3).map(index).collect();
            encoded(self, png::ColorType::Indexed, Some(colours.concat()), &indices)
        } else {
            encoded(self, png::ColorType::Rgb, None, &self.pixels)
        };
        format!("data:image/png;base64,{}", base64(&bytes))
    }

    /// The colour of the middle, for those who cannot have the whole.
    #[cfg(test)]
    pub fn at(&self, column: usize, row: usize) -> String {
        let at = 3 * (row * self.width + column);
        crate::theme::hex([self.pixels[at], self.pixels[at + 1], self.pixels[at + 2]])
    }
}

fn encoded(
    raster: &Raster,
    color: png::ColorType,
    palette: Option<Vec<u8>>,
    data: &[u8],
) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, raster.width as u32, raster.height as u32);
    encoder.set_color(color);
    // This one compresses with fdeflate, which was written for PNG. The better ones leave it to whichever zlib the
    // program is built with, so the same picture would have other bytes in another build.
    encoder.set_compression(png::Compression::Fast);
    if let Some(palette) = palette {
        encoder.set_palette(palette);
    }
    let written = encoder.write_header().and_then(|mut writer| {
        writer.write_image_data(data)?;
        writer.finish()
    });
    // Memory takes everything, and the sizes are those of the pixels.
    written.expect("a picture of at least one pixel");
    bytes
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let part = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let word = part(0) << 16 | part(1) << 8 | part(2);
        for place in 0..4 {
            let digit = DIGITS[(word >> (18 - 6 * place)) as usize & 63];
            text.push(if place <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_the_standard() {
        let cases = ["", "f", "fo", "foo", "foob", "fooba", "foobar"];
        let expected = ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"];
        for (text, expected) in cases.into_iter().zip(expected) {
            assert_eq!(base64(text.as_bytes()), expected);
        }
    }

    #[test]
    fn pixels_come_back() {
        for colours in [2u32, 300] {
            let mut raster = Raster::new(30, 20, [0, 0, 0]);
            for at in 0..600 {
                let colour = at % colours;
                let colour = [colour as u8, (colour >> 8) as u8, 7];
                raster.set(at as usize % 30, at as usize / 30, colour);
            }
            let (color, palette) = (png::ColorType::Rgb, None);
            let bytes = encoded(&raster, color, palette, &raster.pixels);
            let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
            let mut found = vec![0; reader.output_buffer_size().unwrap()];
            reader.next_frame(&mut found).unwrap();
            assert_eq!(found, raster.pixels);
            assert_eq!(raster.at(1, 0), "#010007");
        }
    }
}
