//! Model files: they come back as they were, and a file that is not what it was, or lies, is an error that says why.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use glassbox::file::{FileError, ModelFile, NamedArray, safetensors};

fn metadata() -> BTreeMap<String, String> {
    BTreeMap::from(["network", "made by", "epochs"].map(|k| (k.to_owned(), format!("\"{k}\" ü"))))
}

const ODD: [f32; 6] = [f32::INFINITY, -0.0, 1e30, f32::MIN_POSITIVE / 3.0, f32::NAN, -f32::NAN];

/// Every shape that is easily forgotten, and numbers whose bytes are spaces, which a header may end with.
fn arrays() -> Vec<NamedArray> {
    let spaces = f32::from_le_bytes(*b"    ");
    vec![
        NamedArray::new("layers.2.bias", &[6], ODD.to_vec()),
        NamedArray::new("layers.10.weight", &[2, 3], vec![spaces; 6]),
        NamedArray::new("a.scalar", &[], vec![7.0]),
        NamedArray::new("empty", &[3, 0], vec![]),
        NamedArray::new("also empty", &[0], vec![]),
        NamedArray::new("Xüß \\ \"T\"", &[1, 2, 1, 2], vec![f32::from_bits(0xffc0_1234); 4]),
    ]
}

/// The bits, because NaN is not equal to itself.
fn bits(arrays: &[NamedArray]) -> BTreeMap<&str, (&[usize], Vec<u32>)> {
    let bits = |a: &NamedArray| a.data.iter().map(|number| number.to_bits()).collect();
    arrays.iter().map(|a| (&*a.name, (&*a.shape, bits(a)))).collect()
}

fn decode(bytes: &[u8]) -> Result<ModelFile, FileError> {
    safetensors::decode(bytes, Path::new("model.safetensors"))
}

/// A file from its parts, as a stranger may put them together.
fn file(header: &[u8], data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header, data].concat()
}

#[test]
fn arrays_come_back_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    safetensors::write(&path, &arrays(), &metadata()).unwrap();
    let file = safetensors::read(&path).unwrap();
    assert!(file.sealed);
    assert_eq!(file.metadata, metadata());
    assert_eq!(bits(&file.arrays), bits(&arrays()));
}

#[test]
fn no_arrays_and_no_metadata_are_a_file_too() {
    let file = decode(&safetensors::encode(&[], &BTreeMap::new()).unwrap()).unwrap();
    assert_eq!(file, ModelFile { arrays: vec![], metadata: BTreeMap::new(), sealed: true });
}

/// The digest is part of this test, so that another run, another machine and the next version give these bytes too.
/// It was taken with Python, by the description in `seal.rs`:
/// `sha256(b',"by":"me"}' + q(1) + b"w" + q(1) + q(2) + pack("<2f", 1, 2))`, where `q(n)` is `pack("<Q", n)`.
#[test]
fn the_same_arrays_give_the_same_bytes() {
    let bytes = safetensors::encode(&arrays(), &metadata()).unwrap();
    let mut backwards = arrays();
    backwards.reverse();
    for _ in 0..10 {
        assert_eq!(safetensors::encode(&backwards, &metadata()).unwrap(), bytes);
    }
    let simple = [NamedArray::new("w", &[2], vec![1.0, 2.0])];
    let bytes =
        safetensors::encode(&simple, &BTreeMap::from([("by".into(), "me".into())])).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains(r#"{\"sha256\":\"8049a5d38a97e0a2f106d922a2bf7dd64a61710c3b4443c6ab3ae0a071d69b34\",\"by\":\"me\"}"#), "{text}");
}

/// The crate reads every file of ours, with the same names, shapes and bytes.
fn agrees_with_the_crate(bytes: &[u8], ours: &ModelFile) {
    let theirs = ::safetensors::SafeTensors::deserialize(bytes).unwrap();
    assert_eq!(theirs.len(), ours.arrays.len());
    for array in &ours.arrays {
        let view = theirs.tensor(&array.name).unwrap();
        let data: Vec<u8> = array.data.iter().flat_map(|number| number.to_le_bytes()).collect();
        assert_eq!((view.shape(), view.data()), (&*array.shape, &*data));
    }
}

#[test]
fn every_flipped_bit_is_caught() {
    let whole = safetensors::encode(&arrays(), &metadata()).unwrap();
    agrees_with_the_crate(&whole, &decode(&whole).unwrap());
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let result = decode(&bytes);
        assert!(result.is_err(), "bit {} of byte {} passed unseen: {result:?}", bit % 8, bit / 8);
    }
}

#[test]
fn every_truncation_and_every_addition_is_caught() {
    let whole = safetensors::encode(&arrays(), &metadata()).unwrap();
    for length in 0..whole.len() {
        assert!(decode(&whole[..length]).is_err(), "cut to {length} of {} bytes", whole.len());
    }
    for extra in [&b"\0"[..], b" ", b"{}", &whole] {
        assert!(decode(&[&whole, extra].concat()).is_err(), "{} more bytes", extra.len());
    }
}

/// Another program's file has no seal. Whatever of it passes must mean the same to the crate.
#[test]
fn damaged_files_of_others_mean_what_the_crate_says() {
    let header = br#"{"__metadata__":{"format":"pt"},"w":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}  "#;
    let whole = file(header, &[0x3f; 12]);
    let ours = decode(&whole).unwrap();
    assert_eq!((ours.sealed, ours.metadata["format"].as_str()), (false, "pt"));
    agrees_with_the_crate(&whole, &ours);
    let (alphabet, mut random, mut passed) = (b"{}[]\",:\\0123456789 \n\tewb-.\x00\xff", 1_u64, 0);
    for _ in 0..50_000 {
        let mut bytes = whole.clone();
        let mut next = |below: usize| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 33) as usize % below
        };
        for _ in 0..=next(2) {
            let place = next(bytes.len());
            bytes[place] = alphabet[next(alphabet.len())];
        }
        if let Ok(ours) = decode(&bytes) {
            agrees_with_the_crate(&bytes, &ours);
            passed += 1;
        }
    }
    assert!(passed > 1000, "too few passed to mean much: {passed}");
}

/// A header with one array `w`, from its three values.
fn one(dtype: &str, shape: &str, offsets: &str, data: usize) -> Vec<u8> {
    let header =
        format!(r#"{{"w":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}}}"#);
    file(header.as_bytes(), &vec![0; data])
}

/// Two arrays at the given places, of one number each.
fn two(first: &str, second: &str, data: usize) -> Vec<u8> {
    let header = format!(
        r#"{{"a":{{"dtype":"F32","shape":[1],"data_offsets":{first}}},"b":{{"dtype":"F32","shape":[1],"data_offsets":{second}}}}}"#
    );
    file(header.as_bytes(), &vec![0; data])
}

/// What is wrong with a file, and words its message must contain.
fn lies() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let entry = r#"{"dtype":"F32","shape":[0],"data_offsets":[0,0]}"#;
    let long = |length: u64| [&length.to_le_bytes()[..], b"{}          "].concat();
    let header = |text: String| file(text.as_bytes(), b"");
    let escape = "\\u001b[2J".repeat(1000);
    vec![
        ("empty", vec![], "found 0 bytes"),
        ("seven bytes", vec![0; 7], "found 7 bytes"),
        ("no header", vec![0; 8], "at byte 8, expected at least 10 bytes, found 8 bytes"),
        ("zeros", vec![0; 1000], "at byte 0, expected a header length from 2 to 992"),
        ("header of 2^64-1", long(u64::MAX), "found 18446744073709551615"),
        ("header of 2^63", long(1 << 63), "found 9223372036854775808"),
        ("header of 100 MB", long(100_000_000), "found 100000000"),
        (
            "header one longer than the file",
            long(13),
            "from 2 to 12 (the file has 20 bytes), found 13",
        ),
        ("header ends early", long(1), "found 1"),
        (
            "not JSON",
            file(b"PK\x03\x04 and so on", b""),
            "at byte 8, expected the header's first byte '{', found 'P'",
        ),
        ("leading space", file(b" {}", b""), "found ' '"),
        ("half JSON", file(br#"{"w":{"dtype":"#, b""), "EOF"),
        ("a pickle", file(b"{\x80\x04\x95\x00", b""), "at byte 9"),
        ("two objects", file(b"{}{}", b""), "at byte 10"),
        ("name not UTF-8", file(b"{\"\xff\xfe\":1}", b""), "at byte 13"),
        ("entry is a number", header(r#"{"w":1}"#.into()), "expected an object with dtype"),
        (
            "entry is a string",
            header(format!(r#"{{"w":"{escape}"}}"#)),
            "found a string of 4000 bytes",
        ),
        ("no dtype", header(r#"{"w":{"shape":[],"data_offsets":[0,4]}}"#.into()), "found no dtype"),
        (
            "two shapes",
            header(r#"{"w":{"shape":[],"shape":[]}}"#.into()),
            "expected one shape, found two",
        ),
        ("unknown field", header(r#"{"w":{"stride":[]}}"#.into()), "found \"stride\""),
        ("one offset", one("F32", "[1]", "[4]", 4), "expected two data_offsets, found 1"),
        ("negative size", one("F32", "[-1]", "[0,4]", 4), "expected a whole number from 0"),
        ("negative offset", one("F32", "[1]", "[-4,0]", 4), "found integer `-4`"),
        ("fraction", one("F32", "[1.5]", "[0,4]", 4), "found floating point `1.5`"),
        (
            "size 2^64",
            one("F32", "[18446744073709551616]", "[0,4]", 4),
            "expected a whole number from 0",
        ),
        ("size as text", one("F32", "[\"1\"]", "[0,4]", 4), "found a string of 1 bytes"),
        (
            "shape product overflows",
            one("F32", "[4294967296,4294967296,4]", "[0,4]", 4),
            "more bytes than can be counted",
        ),
        (
            "bytes overflow",
            one("F32", "[4611686018427387904]", "[0,0]", 0),
            "more bytes than can be counted",
        ),
        (
            "overflow hidden by a zero",
            one("F32", "[18446744073709551615,2,0]", "[0,0]", 0),
            "more bytes than can be counted",
        ),
        (
            "3 TiB promised",
            one("F32", "[784,1073741824]", "[0,3367254360064]", 16),
            "expected 3367254360064 bytes of arrays, as the header says, found 16 bytes",
        ),
        (
            "five dimensions",
            one("F32", "[1,1,1,1,1]", "[0,4]", 4),
            "at most 4 numbers in a list, found 5",
        ),
        (
            "shape too small",
            one("F32", "[1]", "[0,8]", 8),
            "of shape [1] to take 4 bytes, found from 0 to 8",
        ),
        ("offsets backwards", one("F32", "[1]", "[8,4]", 8), "found 8"),
        (
            "offset at the end of numbers",
            one("F32", "[1]", "[18446744073709551615,3]", 4),
            "found 18446744073709551615",
        ),
        (
            "data cut",
            one("F32", "[2]", "[0,8]", 4),
            "expected 8 bytes of arrays, as the header says, found 4 bytes",
        ),
        (
            "trailing data",
            one("F32", "[1]", "[0,4]", 5),
            "expected 4 bytes of arrays, as the header says, found 5 bytes",
        ),
        (
            "overlap",
            two("[0,4]", "[2,6]", 6),
            "array \"b\" to start at 4 bytes into the data, found 2",
        ),
        (
            "a hole",
            two("[0,4]", "[8,12]", 12),
            "array \"b\" to start at 4 bytes into the data, found 8",
        ),
        ("the same place twice", two("[0,4]", "[0,4]", 4), "array \"b\" to start at 4"),
        ("beyond the file", two("[0,4]", "[4,8]", 4), "expected 8 bytes of arrays"),
        (
            "one name twice",
            header(format!(r#"{{"w":{entry},"w":{entry}}}"#)),
            "expected one array \"w\", found two",
        ),
        (
            "F64",
            one("F64", "[1]", "[0,8]", 8),
            "array \"w\" of type F64, expected F32 (hint: convert it",
        ),
        ("F16", one("F16", "[1]", "[0,2]", 2), "of type F16"),
        ("BF16", one("BF16", "[1]", "[0,2]", 2), "of type BF16"),
        ("type unheard of", one("\\u001b[2J", "[1]", "[0,2]", 2), r"of type \u{1b}[2J"),
        (
            "metadata is a number",
            header(r#"{"__metadata__":1}"#.into()),
            "expected an object of strings",
        ),
        (
            "metadata of a number",
            header(r#"{"__metadata__":{"a":1}}"#.into()),
            "expected a string of at most",
        ),
        (
            "metadata twice",
            header(r#"{"__metadata__":{},"__metadata__":{}}"#.into()),
            "expected one `__metadata__`, found two",
        ),
        (
            "metadata key twice",
            header(r#"{"__metadata__":{"a":"","a":""}}"#.into()),
            "found one twice",
        ),
        (
            "seal is not one",
            header(r#"{"__metadata__":{"glassbox":"{}"}}"#.into()),
            "to begin with a SHA-256",
        ),
        (
            "name too long",
            header(format!(r#"{{"{}":{entry}}}"#, "n".repeat(1025))),
            "at most 1024 bytes, found a string of 1025 bytes",
        ),
        (
            "deep nesting",
            file(&[&b"{\"w\":"[..], &[b'['; 5000]].concat(), b""),
            "expected an object with dtype",
        ),
    ]
}

#[test]
fn lies_are_refused_with_file_place_expected_and_found() {
    for (lie, bytes, words) in lies() {
        let message = match decode(&bytes) {
            Ok(file) => panic!("{lie}: accepted as {file:?}"),
            Err(error) => error.to_string(),
        };
        assert!(message.contains(words), "{lie}: {message}");
        assert!(message.starts_with("\"model.safetensors\" "), "{lie}: {message}");
        assert!(
            message.contains("expected ") && message.contains("found ")
                || message.contains("of type"),
            "{lie}: {message}"
        );
        assert!(message.contains("(hint: ") && message.ends_with(')'), "{lie}: {message}");
        assert!(message.len() < 400 && !message.contains('\u{1b}'), "{lie}: {message}");
    }
}

#[test]
fn a_stranger_may_leave_everything_out_that_is_optional() {
    let bare =
        file(br#"{"w":{"shape":[1],"data_offsets":[0,4],"dtype":"F32"}}"#, &1.5_f32.to_le_bytes());
    let file = decode(&bare).unwrap();
    assert_eq!(file.arrays, [NamedArray::new("w", &[1], vec![1.5])]);
    assert!(!file.sealed && file.metadata.is_empty());
}

#[test]
fn what_cannot_be_read_is_not_written() {
    let one = |name: &str, shape: &[usize]| vec![NamedArray::new(name, shape, vec![0.0])];
    let none = BTreeMap::new();
    let refused = |arrays: &[NamedArray], metadata: &BTreeMap<_, _>| match safetensors::encode(
        arrays, metadata,
    ) {
        Err(error @ FileError::Unstorable { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    };
    for arrays in [
        one("__metadata__", &[1]),
        one(&"n".repeat(1025), &[1]),
        one("rank", &[1, 1, 1, 1, 1]),
        one("count", &[2]),
        one("overflow", &[usize::MAX, 2]),
        [one("twin", &[1]), one("twin", &[])].concat(),
    ] {
        assert!(refused(&arrays, &none).contains("(hint: "));
    }
    assert!(refused(&[], &BTreeMap::from([("sha256".into(), "x".into())])).contains("one twice"));
    assert!(refused(&[], &BTreeMap::from([("x".into(), "y".repeat(5 << 20))])).contains("4194304"));
}

#[test]
fn paths_that_are_not_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("nothing \u{1b}[2J here");
    let message = safetensors::read(&missing).unwrap_err().to_string();
    assert!(
        message.contains("cannot open") && message.contains("(hint: check the spelling"),
        "{message}"
    );
    assert!(!message.contains('\u{1b}'), "{message}");
    let message = safetensors::read(folder.path()).unwrap_err().to_string();
    assert!(message.contains("is a folder, expected a regular file"), "{message}");
    assert!(safetensors::write(folder.path(), &arrays(), &metadata()).is_err());
    assert!(safetensors::write(&missing.join("deeper"), &arrays(), &metadata()).is_err());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
}

#[cfg(unix)]
#[test]
fn sockets_stay_links_are_followed_and_names_need_not_be_unicode() {
    use std::os::unix::{ffi::OsStrExt, fs::symlink, net::UnixListener};
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    let _listener = UnixListener::bind(&socket).unwrap();
    assert!(matches!(
        safetensors::write(&socket, &[], &metadata()),
        Err(FileError::NotAFile { .. })
    ));
    assert!(matches!(safetensors::read(&socket), Err(FileError::NotAFile { .. })));
    let odd = folder.path().join(std::ffi::OsStr::from_bytes(b"not \xff unicode"));
    safetensors::write(&odd, &arrays(), &metadata()).unwrap();
    let link = folder.path().join("link");
    symlink(&odd, &link).unwrap();
    safetensors::write(&link, &[], &metadata()).unwrap();
    assert!(link.is_symlink());
    assert!(safetensors::read(&odd).unwrap().arrays.is_empty());
}
