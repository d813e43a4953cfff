//! Pictures of pixels: PNG files, and as they stand in an SVG, in base64.

use png::text_metadata::ITXtChunk;

/// How the address of a picture begins.
const URI: &str = "data:image/png;base64,";

/// The largest picture that is read.
const MOST_BYTES: usize = 64 << 20;

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

    /// These pixels, row by row, of which there are as many as the sides say.
    pub fn of(width: usize, height: usize, pixels: Vec<u8>) -> Raster {
        assert_eq!(pixels.len(), 3 * width * height);
        Raster { width, height, pixels }
    }

    /// The picture of an address that [`Raster::uri`] wrote.
    pub fn read(uri: &str) -> Option<Raster> {
        let bytes = from_base64(uri.strip_prefix(URI)?)?;
        let mut decoder = png::Decoder::new(std::io::Cursor::new(bytes));
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().ok()?;
        let mut pixels = vec![0; reader.output_buffer_size().filter(|size| *size <= MOST_BYTES)?];
        let frame = reader.next_frame(&mut pixels).ok()?;
        let (width, height) = (frame.width as usize, frame.height as usize);
        let is_ours = frame.color_type == png::ColorType::Rgb && pixels.len() == 3 * width * height;
        is_ours.then_some(Raster { width, height, pixels })
    }

    /// The colours of all pixels, row by row.
    pub fn colours(&self) -> impl Iterator<Item = &[u8]> {
        self.pixels.chunks_exact(3)
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
            encoded(self, png::ColorType::Indexed, Some(colours.concat()), &indices, &|_| ())
        } else {
            encoded(self, png::ColorType::Rgb, None, &self.pixels, &|_| ())
        };
        format!("{URI}{}", base64(&bytes))
    }

    /// The picture as a file, which says how large it is to be seen, its title, and what is to be seen.
    pub fn file(&self, scale: f64, [title, description]: [&str; 2]) -> Vec<u8> {
        encoded(self, png::ColorType::Rgb, None, &self.pixels, &|info| {
            // At scale 1 there are 96 pixels in an inch, as CSS has them.
            let density = (scale * 96.0 / 0.0254).round() as u32;
            let unit = png::Unit::Meter;
            info.pixel_dims = Some(png::PixelDimensions { xppu: density, yppu: density, unit });
            let said = [("Title", title), ("Description", description)];
            let said = said.into_iter().filter(|(_, text)| !text.is_empty());
            info.utf8_text = said.map(|(name, text)| ITXtChunk::new(name, text)).collect();
        })
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
    say: &dyn Fn(&mut png::Info),
) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut info = png::Info::with_size(raster.width as u32, raster.height as u32);
    say(&mut info);
    let encoder = png::Encoder::with_info(&mut bytes, info);
    let mut encoder = encoder.expect("a picture of one frame");
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

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64(bytes: &[u8]) -> String {
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

fn from_base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    let mut bytes = Vec::with_capacity(3 * digits.len() / 4);
    let (mut word, mut bits) = (0u32, 0);
    for digit in digits.bytes() {
        word = word << 6 | DIGITS.iter().position(|known| *known == digit)? as u32;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((word >> bits) as u8);
        }
    }
    Some(bytes)
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
            assert_eq!(from_base64(expected).as_deref(), Some(text.as_bytes()));
        }
    }

    #[test]
    fn what_is_no_picture_is_not_read() {
        let uri = Raster::new(3, 2, [1, 2, 3]).uri();
        assert!(Raster::read(&uri).is_some());
        for at in (0..uri.len()).step_by(7) {
            _ = Raster::read(&uri[..at]);
            _ = Raster::read(&format!("{}!{}", &uri[..at], &uri[at..]));
        }
        assert!(Raster::read("").is_none() && Raster::read(URI).is_none());
        assert!(Raster::read(&uri.replace("image/png", "image/gif")).is_none());
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
            let read = Raster::read(&raster.uri()).unwrap();
            assert_eq!((read.width, read.height), (30, 20));
            assert_eq!(read.pixels, raster.pixels);
            assert_eq!(raster.at(1, 0), "#010007");
        }
    }
}
