//! Says what a file is that is not the IDX file it should be: half of the answer to "now what?".

use std::path::Path;

use super::error::DataError;
use super::idx::Kind;

/// The error for a file whose first unpacked bytes are `head` and not those of `kind`.
pub(super) fn not_this(path: &Path, head: &[u8], kind: Kind) -> DataError {
    let path = path.to_owned();
    match *head {
        [0, 0, 8, rank, ..] => wrong_rank(path, rank, kind),
        [0, 0, found, ..] if type_name(found).is_some() => {
            DataError::WrongType { path, found, name: type_name(found).unwrap_or_default() }
        }
        _ if is_web_page(head) => DataError::WebPage { path, found: text(head) },
        _ => {
            let (found, hint) = foreign(head);
            DataError::NotIdx { path, expected: kind.magic().to_owned(), found, hint }
        }
    }
}

/// Markup starts with `<`, an IDX file with a zero byte and a gzip file with 1f: no overlap.
pub(super) fn is_web_page(head: &[u8]) -> bool {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    head.trim_ascii_start().starts_with(b"<")
}

/// The start of a text, made harmless for a terminal.
pub(super) fn text(head: &[u8]) -> String {
    let head = String::from_utf8_lossy(head.trim_ascii());
    let start: String = head.chars().take(40).collect();
    format!("starting \"{}\"", start.escape_debug())
}

fn wrong_rank(path: std::path::PathBuf, rank: u8, kind: Kind) -> DataError {
    let (expected, found, hint) = match (kind, rank) {
        (Kind::Images, 1) => (
            "3 dimensions (images, magic 00 00 08 03)",
            "1 (labels, magic 00 00 08 01)".to_owned(),
            "images and labels are swapped: exchange the two files",
        ),
        (Kind::Labels, 3) => (
            "1 dimension (labels, magic 00 00 08 01)",
            "3 (images, magic 00 00 08 03)".to_owned(),
            "images and labels are swapped: exchange the two files",
        ),
        (Kind::Images, _) => (
            "3 dimensions (images, rows, columns)",
            rank.to_string(),
            "only grey images are read: store one byte for each pixel",
        ),
        (Kind::Labels, _) => {
            ("1 dimension (labels)", rank.to_string(), "store one class index for each image")
        }
    };
    DataError::WrongRank { path, expected, found, hint }
}

/// The other types that the IDX format knows.
fn type_name(byte: u8) -> Option<&'static str> {
    match byte {
        0x09 => Some("signed bytes"),
        0x0b => Some("16-bit integers"),
        0x0c => Some("32-bit integers"),
        0x0d => Some("32-bit floats"),
        0x0e => Some("64-bit floats"),
        _ => None,
    }
}

/// Formats that are met under the names of data sets.
fn foreign(head: &[u8]) -> (String, &'static str) {
    const UNPACK: &str = "unpack it first; only gzip is unpacked here";
    const CONVERT: &str = "convert it to IDX first";
    let known: [(&[u8], &str, &'static str); 10] = [
        (b"PK\x03\x04", "a zip archive", UNPACK),
        (b"\x28\xb5\x2f\xfd", "a zstd file", UNPACK),
        (b"BZh", "a bzip2 file", UNPACK),
        (b"\xfd7zXZ", "an xz file", UNPACK),
        (b"\x1f\x8b", "a gzip file inside a gzip file", UNPACK),
        (b"\x93NUMPY", "a NumPy array", CONVERT),
        (b"\x89HDF", "an HDF5 file", CONVERT),
        (b"PAR1", "a Parquet file", CONVERT),
        (b"\x03\x08\x00\x00", "an IDX header with its bytes reversed", CONVERT),
        (b"version https://git-lfs", "a Git LFS pointer", "run `git lfs pull` to get the content"),
    ];
    if let Some((_, what, hint)) = known.iter().find(|(start, ..)| head.starts_with(start)) {
        return ((*what).to_owned(), hint);
    }
    let readable = |byte: &u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
    if !head.is_empty() && head.iter().all(readable) {
        return (format!("text {}", text(head)), "this is not the data: fetch the file again");
    }
    let bytes: Vec<String> = head.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let found = if bytes.is_empty() { "nothing".to_owned() } else { bytes.join(" ") };
    (found, "the file is damaged or of another format: fetch it again")
}
