//! Hostile IDX and gzip files: every small corruption, and the large lies that have names.
//!
//! For each: an error and no panic, a message with the file, offset, expected and found, and no more
//! memory than the file's size and 16 MiB.
#![allow(clippy::print_stderr)] // a skip is printed

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use glassbox::data::folder::join;
use glassbox::data::idx::{self, Idx, Kind};
use glassbox::data::{DataError, Split, read_folder};

/// Counts the bytes that the running test's thread holds, and the most it ever held.
struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    HELD.set(HELD.get() + bytes);
    PEAK.set(PEAK.get().max(HELD.get()));
}

// SAFETY: every call goes to the system's allocator unchanged; the counters are plain cells
// without destructors, so touching them allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const MIB: usize = 1 << 20;

/// Runs `job` and says how many bytes it held at most.
fn peak<T>(job: impl FnOnce() -> T) -> (T, usize) {
    let before = HELD.get();
    PEAK.set(before);
    let result = job();
    (result, (PEAK.get() - before) as usize)
}

/// An IDX file with these sizes in its header and this content.
fn file(sizes: &[u32], content: &[u8]) -> Vec<u8> {
    let sizes_bytes = sizes.iter().flat_map(|size| size.to_be_bytes());
    let header = [0, 0, 8, sizes.len() as u8].into_iter().chain(sizes_bytes);
    header.chain(content.iter().copied()).collect()
}

/// Seven images of 4 × 5 pixels, and their labels.
fn small_pair() -> (Vec<u8>, Vec<u8>) {
    let pixels: Vec<u8> = (0..140).map(|i| (i * 37 % 251) as u8).collect();
    (file(&[7, 4, 5], &pixels), file(&[7], &[0, 9, 3, 3, 1, 8, 2]))
}

fn gzip(bytes: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level));
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Bytes that gzip cannot make smaller.
fn noise(count: usize) -> Vec<u8> {
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    (0..count).map(|_| next()).collect()
}

fn parse(bytes: &[u8], kind: Kind) -> Result<Idx, DataError> {
    idx::read_from(bytes, bytes.len() as u64, Path::new("small.idx"), kind)
}

/// Reads as `parse`, and checks what must be true of any error.
fn parse_hostile(bytes: &[u8], kind: Kind) -> Result<Idx, DataError> {
    let (result, held) = peak(|| parse(bytes, kind));
    assert!(held <= bytes.len() + 16 * MIB, "{held} bytes held for {} bytes", bytes.len());
    if let Err(error) = &result {
        assert_complete(&error.to_string(), "small.idx");
    }
    result
}

/// A message names the file, the offset, what was expected and what was found, and helps.
fn assert_complete(text: &str, file: &str) {
    for fact in [file, "byte ", "expected ", "found ", "(hint: "] {
        assert!(text.contains(fact), "no {fact:?} in: {text}");
    }
    assert!(text.ends_with(')'), "{text}");
}

/// Both files of the small pair, plain and packed.
fn small_files() -> [(Vec<u8>, Kind); 4] {
    let (images, labels) = small_pair();
    let (packed_images, packed_labels) = (gzip(&images, 6), gzip(&labels, 6));
    [
        (images, Kind::Images),
        (labels, Kind::Labels),
        (packed_images, Kind::Images),
        (packed_labels, Kind::Labels),
    ]
}

#[test]
fn every_truncation_is_an_error() {
    for (bytes, kind) in small_files() {
        parse(&bytes, kind).unwrap();
        for length in 0..bytes.len() {
            assert!(parse_hostile(&bytes[..length], kind).is_err(), "{kind:?} cut to {length}");
        }
    }
}

#[test]
fn every_flipped_bit_of_a_gzip_file_is_an_error_or_means_the_same() {
    for (bytes, kind) in small_files().into_iter().skip(2) {
        let whole = parse(&bytes, kind).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            if let Ok(read) = parse_hostile(&damaged, kind) {
                assert_eq!((read.sizes, read.bytes), (whole.sizes.clone(), whole.bytes.clone()));
            }
        }
    }
}

/// A plain IDX file has no checksum of its own: a flipped pixel stays a pixel. (The named sets are
/// safe from this, too, by their SHA-256.)
#[test]
fn every_flipped_bit_of_a_plain_header_is_an_error_and_content_stays_content() {
    for (bytes, kind) in small_files().into_iter().take(2) {
        let header = 4 + 4 * kind.rank();
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            match parse_hostile(&damaged, kind) {
                Ok(read) => {
                    assert_eq!((&read.bytes[..], bit / 8 >= header), (&damaged[header..], true))
                }
                Err(error) => assert!(bit / 8 < header, "bit {bit}: {error}"),
            }
        }
    }
}

#[test]
fn every_flipped_bit_of_a_label_is_in_range_or_named() {
    let (images, labels) = small_pair();
    for bit in 0..7 * 8 {
        let mut damaged = labels.clone();
        damaged[8 + bit / 8] ^= 1 << (bit % 8);
        let value = damaged[8 + bit / 8];
        let images = parse(&images, Kind::Images).unwrap();
        let labels = parse(&damaged, Kind::Labels).unwrap();
        match join("small", Split::Train, images, labels, 10) {
            Ok(set) => assert!(set.labels.iter().all(|&label| label < 10)),
            Err(error) => {
                let (row, text) = (bit / 8, error.to_string());
                assert_complete(&text, "small.idx");
                let fact = format!("byte {}: label of row {row}: expected 0 to 9", 8 + row);
                assert!(text.contains(&fact), "{text}");
                assert!(text.contains(&format!("found {value} ")), "{text}");
            }
        }
    }
}

/// A file with a name for its malice: what it holds, what it is read as, what must be said.
type Case = (&'static str, Vec<u8>, Kind, &'static str);

fn lying_headers() -> Vec<Case> {
    use Kind::{Images, Labels};
    let (images, labels) = small_pair();
    let max = u32::MAX;
    vec![
        ("empty", vec![], Images, "byte 0: expected an IDX header, found an empty file"),
        ("one-byte", vec![0], Images, "byte 1: expected 16 bytes in all, found the end after 1"),
        ("half-header", images[..9].to_vec(), Images, "byte 9: expected 16 bytes in all"),
        ("no-content", images[..16].to_vec(), Images, "byte 16: expected 156 bytes in all"),
        ("one-short", images[..155].to_vec(), Images, "found the end after 155"),
        ("one-more", [images.clone(), vec![0]].concat(), Images, "byte 156: expected the end of"),
        ("joined", [labels.clone(), labels.clone()].concat(), Labels, "found 15 more bytes"),
        ("max", file(&[max, max, max], &[]), Images, "found 4294967295 × 4294967295 × 4294967295"),
        ("max-labels", file(&[max], &[1]), Labels, "expected 4294967303 bytes in all"),
        ("overflow", file(&[1 << 31, 1 << 31, 4], &[]), Images, "sizes whose product is at most"),
        ("huge", file(&[1 << 31, 1 << 15, 1 << 15], &[]), Images, "2305843009213693968 bytes"),
        ("negative", file(&[1, 28, -28i32 as u32], &[]), Images, "byte 16: expected"),
        (
            "no-images",
            file(&[0, 28, 28], &[]),
            Images,
            "byte 4: expected at least 1 image, found 0",
        ),
        ("no-rows", file(&[9, 0, 28], &[]), Images, "byte 8: expected at least 1 row, found 0"),
        ("no-columns", file(&[9, 28, 0], &[]), Images, "byte 12: expected at least 1 column"),
        ("no-labels", file(&[0], &[]), Labels, "byte 4: expected at least 1 label, found 0"),
        ("zero-max", file(&[0, max, max], &[]), Images, "at least 1 image, found 0"),
        ("swapped-images", labels.clone(), Images, "images and labels are swapped"),
        ("swapped-labels", images.clone(), Labels, "images and labels are swapped"),
        ("rank-4", file(&[1, 1, 1, 3], &[1, 2, 3]), Images, "byte 3: expected 3 dimensions"),
        ("rank-0", file(&[], &[7]), Labels, "byte 3: expected 1 dimension (labels), found 0"),
        ("rank-255", [0, 0, 8, 255].to_vec(), Labels, "found 255"),
    ]
}

fn foreign_files() -> Vec<Case> {
    use Kind::{Images, Labels};
    let floats = |code| [&[0, 0, code, 3][..], &[0; 32]].concat();
    let page = b"<!DOCTYPE html>\n<html><body>503 \x1b[31mbusy</body></html>".to_vec();
    let spaced = [b"\xef\xbb\xbf \r\n".to_vec(), page.clone()].concat();
    let (images, _) = small_pair();
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:44\n".to_vec();
    vec![
        ("page.gz", page.clone(), Images, "this is a web page, starting \"<!DOCTYPE html>\\n"),
        ("spaced.gz", spaced, Labels, "this is a web page"),
        ("packed-page.gz", gzip(&page, 6), Images, "this is a web page"),
        ("signed", floats(0x09), Images, "byte 2: expected type 0x08 (unsigned bytes), found 0x09"),
        ("shorts", floats(0x0b), Images, "found 0x0b (16-bit integers)"),
        ("ints", floats(0x0c), Images, "found 0x0c (32-bit integers)"),
        ("floats", floats(0x0d), Images, "found 0x0d (32-bit floats)"),
        ("doubles", floats(0x0e), Images, "found 0x0e (64-bit floats)"),
        ("magic", vec![1, 0, 8, 3, 0, 0], Images, "byte 0: expected an IDX file (00 00 08 03"),
        ("reversed", vec![3, 8, 0, 0, 7, 0], Images, "an IDX header with its bytes reversed"),
        ("zip", b"PK\x03\x04rest".to_vec(), Images, "found a zip archive"),
        ("npy", b"\x93NUMPY\x01\x00".to_vec(), Images, "found a NumPy array"),
        ("lfs", pointer, Images, "found a Git LFS pointer"),
        ("text", b"5,0,4,1,9\n".to_vec(), Labels, "found text starting \"5,0,4,1,9\""),
        ("twice.gz", gzip(&gzip(&images, 6), 6), Images, "a gzip file inside a gzip file"),
    ]
}

fn damaged_gzip_files() -> Vec<Case> {
    use Kind::{Images, Labels};
    let (images, labels) = small_pair();
    let packed = gzip(&images, 6);
    let with = |at: usize, byte: u8| {
        let mut damaged = packed.clone();
        damaged[at] ^= byte;
        damaged
    };
    let end = packed.len();
    let joined = [packed.clone(), packed.clone()].concat();
    vec![
        ("magic-only.gz", vec![0x1f, 0x8b], Images, "packed byte 2: expected intact gzip data"),
        ("method.gz", with(2, 1), Images, "expected intact gzip data"),
        ("crc.gz", with(end - 8, 1), Images, "does not have a matching checksum"),
        ("length.gz", with(end - 4, 1), Images, "does not have a matching checksum"),
        ("no-footer.gz", packed[..end - 8].to_vec(), Images, "found the end after 156 unpacked"),
        ("joined.gz", joined, Images, "found a second gzip member"),
        ("padded.gz", [packed.clone(), vec![0; 512]].concat(), Images, "found more bytes"),
        ("empty.gz", gzip(b"", 6), Images, "byte 0: expected 16 bytes in all"),
        ("short.gz", gzip(&images[..100], 6), Images, "byte 100: expected 156 bytes in all"),
        ("long.gz", gzip(&[labels, vec![1]].concat(), 6), Labels, "byte 15: expected the end"),
        ("swapped.gz", packed, Labels, "images and labels are swapped"),
    ]
}

fn bombs() -> Vec<Case> {
    use Kind::{Images, Labels};
    let zeros = |count: usize| vec![0; count];
    let mnist = file(&[60_000, 28, 28], &zeros(60_000 * 784));
    let honest_header = [file(&[10], &[1; 10]), zeros(32 * MIB)].concat();
    let front = [zeros(28 * MIB), noise(4 * MIB)].concat();
    let front = file(&[32, 1024, 1024], &front);
    let max = file(&[u32::MAX, 1, 1], &zeros(1000));
    vec![
        // Promises 47 MB, and would keep the promise, from a file of 46 kB.
        ("bomb.gz", gzip(&mnist, 6), Images, "this looks like a gzip bomb"),
        ("max.gz", gzip(&max, 9), Images, "found a header that promises 4294967295"),
        ("max-labels.gz", gzip(&file(&[u32::MAX], &[1]), 9), Labels, "promises 4294967295"),
        ("overflow.gz", gzip(&file(&[u32::MAX; 3], &[]), 9), Images, "sizes whose product"),
        // A modest header with 32 MiB behind it: reading stops one byte past the promise.
        ("iceberg.gz", gzip(&honest_header, 9), Labels, "byte 18: expected the end of the file"),
        // Large enough to be allowed its promise, but the first 28 MiB come from 28 kB.
        ("front.gz", gzip(&front, 1), Images, "this looks like a gzip bomb"),
        // Promises just what is always allowed, and delivers nothing.
        ("promise.gz", gzip(&file(&[15 << 20], &[]), 9), Labels, "expected 15728648 bytes in all"),
        ("promise", file(&[15 << 20], &[]), Labels, "expected 15728648 bytes in all"),
    ]
}

#[test]
fn every_named_lie_is_an_error_with_its_facts() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [lying_headers(), foreign_files(), damaged_gzip_files(), bombs()].concat();
    assert!(cases.len() >= 40, "{}", cases.len());
    for (name, bytes, kind, expected) in cases {
        let path = folder.path().join(name);
        fs::write(&path, &bytes).unwrap();
        let (result, held) = peak(|| idx::read(&path, kind));
        let text = result.unwrap_err().to_string();
        assert_complete(&text, path.to_str().unwrap());
        assert!(text.contains(expected), "{name}: no {expected:?} in: {text}");
        assert!(!text.contains('\x1b'), "{name}: an escape sequence in: {text:?}");
        assert!(held <= bytes.len() + 16 * MIB, "{name}: {held} held for {}", bytes.len());
    }
}

/// Packed 3 to 1 and past the first 16 MiB, as MNIST is: allowed in full, and no more than 8 for 1 when it ends too early.
#[test]
fn honest_compression_is_not_a_bomb() {
    let pixels: Vec<u8> = noise(6 * MIB).into_iter().flat_map(|byte| [byte & 0x7f; 4]).collect();
    let packed = gzip(&file(&[24, 1024, 1024], &pixels), 6);
    assert!(packed.len() + 15 * MIB < pixels.len(), "{}", packed.len());
    let (result, held) = peak(|| parse(&packed, Kind::Images).unwrap());
    assert_eq!(result.bytes, pixels);
    assert!(held <= pixels.len() + MIB, "{held}");
    let cut = &packed[..packed.len() - 100];
    let (result, held) = peak(|| parse(cut, Kind::Images));
    assert!(result.is_err());
    assert!(held <= (cut.len() + 16 * MIB).max(8 * cut.len()), "{held}");
}

#[test]
fn what_is_no_file_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let said = |path: &Path| idx::read(path, Kind::Images).unwrap_err().to_string();
    let text = said(folder.path());
    assert!(text.contains("expected a plain file, found a folder (hint: "), "{text}");
    let text = said(&folder.path().join("missing"));
    assert!(text.contains("cannot look at it") && text.contains("(hint: "), "{text}");
    if cfg!(unix) {
        let text = said(Path::new("/dev/null"));
        assert!(text.contains("found a device or pipe (hint: "), "{text}");
    }
}

#[cfg(unix)]
#[test]
fn an_unreadable_file_is_said() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    fs::write(&path, small_pair().0).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::File::open(&path).is_ok() {
        eprintln!("SKIPPED: unreadable file, because this user may read everything");
        return;
    }
    let text = idx::read(&path, Kind::Images).unwrap_err().to_string();
    assert!(text.contains("cannot open it") && text.contains("(hint: "), "{text}");
}

/// A folder with the small pair twice, under the published names.
fn small_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (images, labels) = small_pair();
    for half in ["train", "t10k"] {
        fs::write(folder.path().join(format!("{half}-images-idx3-ubyte")), &images).unwrap();
        let labels = gzip(&labels, 6);
        fs::write(folder.path().join(format!("{half}-labels.idx1-ubyte.gz")), labels).unwrap();
    }
    folder
}

#[test]
fn any_four_files_make_a_set() {
    let folder = small_folder();
    let pair = read_folder(folder.path()).unwrap();
    assert_eq!((pair.train.len(), pair.train.rows, pair.train.cols), (7, 4, 5));
    assert_eq!((pair.train.classes, pair.test.classes), (10, 10));
    assert_eq!(pair.train.image(1), &pair.train.images[20..40]);
    assert!(pair.train.name == folder.path().file_name().unwrap().to_str().unwrap());
}

#[test]
fn files_that_do_not_belong_together_are_named() {
    let (images, labels) = small_pair();
    let wide = file(&[7, 5, 4], &images[16..]);
    let cases: [(&str, Vec<u8>, &str); 5] = [
        ("train-images-idx3-ubyte", file(&[6, 4, 5], &images[36..]), "expected 6 labels"),
        ("train-images-idx3-ubyte", labels.clone(), "images and labels are swapped"),
        ("t10k-images-idx3-ubyte", wide, "expected images of 4 × 5 like the training set, found 5"),
        ("t10k-labels-idx1-ubyte", images.clone(), "images and labels are swapped"),
        ("t10k-labels-idx1-ubyte", file(&[8], &[0; 8]), "found 8"),
    ];
    for (name, bytes, expected) in cases {
        let folder = small_folder();
        fs::write(folder.path().join(name), bytes).unwrap();
        let text = read_folder(folder.path()).unwrap_err().to_string();
        assert_complete(&text, name);
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn folders_with_too_few_or_too_many_files_are_named() {
    let folder = small_folder();
    fs::remove_file(folder.path().join("t10k-images-idx3-ubyte")).unwrap();
    let text = read_folder(folder.path()).unwrap_err().to_string();
    assert!(text.contains("found no t10k-images-idx3-ubyte (hint: "), "{text}");

    let folder = tempfile::tempdir().unwrap();
    let text = read_folder(folder.path()).unwrap_err().to_string();
    assert!(text.contains("found no train-images-idx3-ubyte"), "{text}");
    let (images, labels) = small_pair();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    write("emnist-letters-train-images-idx3-ubyte", &images);
    write("emnist-letters-train-labels-idx1-ubyte", &labels);
    write("emnist-letters-test-images-idx3-ubyte.gz", &gzip(&images, 6));
    write("emnist-letters-test-labels-idx1-ubyte", &labels);
    read_folder(folder.path()).unwrap();
    write("emnist-digits-test-images-idx3-ubyte", &images);
    let text = read_folder(folder.path()).unwrap_err().to_string();
    assert!(text.contains("expected one file of t10k-images-idx3-ubyte, found emnist"), "{text}");
}
