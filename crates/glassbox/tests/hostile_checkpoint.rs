//! Checkpoints: the newest sound one is found, whatever happened to the others, to the file or to the disk.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use glassbox::file::{Checkpoint, FileError, NamedArray, checkpoint, safetensors};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct State {
    step: u64,
    losses: Vec<f32>,
    note: Option<String>,
}

fn state(step: u64) -> State {
    State { step, losses: vec![0.1, 1.0 / 3.0, f32::MIN_POSITIVE], note: Some("ü \"\\\n".into()) }
}

fn sample(step: u64) -> Checkpoint {
    let arrays = vec![
        NamedArray::new("layers.0.weight", &[2, 3], vec![step as f32; 6]),
        NamedArray::new("momentum.layers.0.weight", &[2, 3], vec![f32::NEG_INFINITY; 6]),
        NamedArray::new("temperature", &[], vec![0.5]),
    ];
    Checkpoint::new(arrays, &state(step)).unwrap()
}

fn decode(bytes: &[u8]) -> Result<Checkpoint, FileError> {
    checkpoint::decode(bytes, Path::new("step.safetensors"))
}

#[test]
fn a_checkpoint_comes_back_and_anyone_can_open_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = checkpoint::save(&folder.path().join("run/checkpoints"), 938, &sample(938)).unwrap();
    assert!(path.ends_with("run/checkpoints/step-00000938.safetensors"));
    let back = checkpoint::read(&path).unwrap();
    assert_eq!(back, sample(938));
    assert_eq!(back.state::<State>(&path).unwrap(), state(938));
    let bytes = fs::read(&path).unwrap();
    assert_eq!(bytes, checkpoint::encode(&sample(938)).unwrap());
    assert_eq!(::safetensors::SafeTensors::deserialize(&bytes).unwrap().len(), 3);
    assert!(safetensors::read(&path).unwrap().sealed);
}

#[test]
fn a_hash_map_in_the_state_gives_the_same_bytes_every_time() {
    let bytes = || {
        let map: HashMap<u32, u32> = (0..100).map(|i| (i, i)).collect();
        checkpoint::encode(&Checkpoint::new(vec![], &map).unwrap()).unwrap()
    };
    let first = bytes();
    assert!((0..20).all(|_| bytes() == first));
}

#[test]
fn every_flipped_bit_and_every_truncation_is_caught() {
    let whole = checkpoint::encode(&sample(3)).unwrap();
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(decode(&bytes).is_err(), "bit {} of byte {} passed unseen", bit % 8, bit / 8);
    }
    for length in 0..whole.len() {
        assert!(decode(&whole[..length]).is_err(), "cut to {length} of {} bytes", whole.len());
    }
}

#[test]
fn other_files_and_other_states_are_refused() {
    let model = safetensors::encode(&sample(1).arrays, &[].into()).unwrap();
    let message = decode(&model).unwrap_err().to_string();
    assert!(message.contains("expected a checkpoint, found a model"), "{message}");
    let unsealed = br#"{"__metadata__":{"kind":"checkpoint","state":"1"}}"#;
    let unsealed = [&(unsealed.len() as u64).to_le_bytes()[..], unsealed].concat();
    assert!(matches!(decode(&unsealed), Err(FileError::WrongState { .. })));
    let message = sample(1).state::<Vec<u8>>(Path::new("file")).unwrap_err().to_string();
    assert!(message.contains("\"file\"") && message.contains("(hint: "), "{message}");
}

/// A resumed run must end with the bits of the uninterrupted one, so a number that JSON would change is refused.
#[test]
#[allow(clippy::print_stderr, reason = "a test that could not check everything says so")]
fn a_state_comes_back_exactly_or_is_refused() {
    assert!(Checkpoint::new(vec![], &f32::NAN).is_err());
    assert!(Checkpoint::new(vec![], &vec![1.0, f64::INFINITY]).is_err());
    let (mut random, mut refused) = (1_u64, 0);
    for _ in 0..10_000 {
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let number = f64::from_bits(random);
        match Checkpoint::new(vec![], &number) {
            Ok(kept) => assert_eq!(kept.state::<f64>(Path::new("")).unwrap().to_bits(), random),
            Err(_) => refused += usize::from(number.is_finite()),
        }
        let number = f32::from_bits((random >> 32) as u32);
        if number.is_finite() {
            let kept = Checkpoint::new(vec![], &number).unwrap();
            assert_eq!(kept.state::<f32>(Path::new("")).unwrap().to_bits(), number.to_bits());
        }
    }
    if refused > 0 {
        eprintln!(
            "SKIPPED: {refused} of 10000 f64 were refused; serde_json needs its feature float_roundtrip"
        );
    }
}

#[test]
fn the_newest_sound_checkpoint_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for step in [5, 20, 30, 100_000_000] {
        checkpoint::save(folder, step, &sample(step)).unwrap();
    }
    let newest = folder.join("step-100000000.safetensors");
    let second = folder.join("step-00000030.safetensors");
    fs::write(&newest, b"not much").unwrap();
    let mut bytes = fs::read(&second).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&second, bytes).unwrap();
    for stranger in [
        "step-31.safetensors",
        "step-00000032.safetensors.bak",
        "step-+0000033.safetensors",
        "notes",
    ] {
        fs::copy(folder.join(checkpoint::file_name(20)), folder.join(stranger)).unwrap();
    }
    fs::create_dir(folder.join(checkpoint::file_name(40))).unwrap();
    let latest = checkpoint::latest(folder).unwrap();
    let found = latest.found.unwrap();
    assert_eq!((found.step, found.checkpoint), (20, sample(20)));
    let skipped: Vec<_> = latest.skipped.iter().map(|(path, _)| path.clone()).collect();
    assert_eq!(skipped, [newest, folder.join(checkpoint::file_name(40)), second]);
    assert!(matches!(latest.skipped[2].1, FileError::Damaged { .. }), "{:?}", latest.skipped);
}

#[test]
fn an_empty_folder_has_no_checkpoint_and_a_missing_one_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let latest = checkpoint::latest(folder.path()).unwrap();
    assert!(latest.found.is_none() && latest.skipped.is_empty());
    let message = checkpoint::latest(&folder.path().join("no")).unwrap_err().to_string();
    assert!(message.contains("cannot list the folder") && message.contains("(hint: "), "{message}");
}

fn steps(folder: &Path) -> Vec<String> {
    let names =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

#[test]
fn pruning_keeps_sound_ones_and_removes_leftovers() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for step in 1..=5 {
        checkpoint::save(folder, step, &sample(step)).unwrap();
    }
    let broken = folder.join(checkpoint::file_name(6));
    fs::write(&broken, b"broken").unwrap();
    fs::write(folder.join(".glassbox-1-0.tmp"), b"half").unwrap();
    let removed = checkpoint::prune(folder, 2).unwrap();
    assert_eq!(removed, [3, 2, 1].map(|step| folder.join(checkpoint::file_name(step))));
    assert_eq!(steps(folder), [4, 5, 6].map(checkpoint::file_name));
    checkpoint::prune(folder, 0).unwrap();
    assert_eq!(steps(folder), [5, 6].map(checkpoint::file_name), "one is always kept");
    fs::write(folder.join(checkpoint::file_name(5)), b"broken too").unwrap();
    checkpoint::prune(folder, 1).unwrap();
    assert_eq!(steps(folder).len(), 2, "nothing goes while nothing is sound");
}

const FULL_DISK: &str = "GLASSBOX_TEST_FULL_DISK";

/// On a disk of 256 KiB, which this test makes for itself in a namespace of its own where the system allows it: it
/// starts itself again there, and finds in the environment where the disk is.
#[cfg(target_os = "linux")]
#[test]
#[allow(clippy::print_stderr, reason = "a skip is printed")]
fn a_full_disk_keeps_the_last_checkpoint() {
    if let Some(folder) = std::env::var_os(FULL_DISK) {
        return on_a_full_disk(&PathBuf::from(folder));
    }
    let folder = tempfile::tempdir().unwrap();
    let script = r#"mount -t tmpfs -o size=256k tmpfs "$GLASSBOX_TEST_FULL_DISK" || exit 77
        "$0" a_full_disk_keeps_the_last_checkpoint --exact --nocapture >&2 || exit 101"#;
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script])
        .arg(std::env::current_exe().unwrap())
        .env(FULL_DISK, folder.path())
        .output();
    match output {
        Ok(output) if output.status.success() => {
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(said.contains("1 passed"), "{said}");
        }
        Ok(output) if output.status.code() == Some(101) => {
            panic!("{}", String::from_utf8_lossy(&output.stderr))
        }
        other => {
            eprintln!("SKIPPED a_full_disk_keeps_the_last_checkpoint: no small disk: {other:?}")
        }
    }
}

fn on_a_full_disk(folder: &Path) {
    checkpoint::save(folder, 1, &sample(1)).unwrap();
    let large = vec![NamedArray::new("w", &[1 << 17], vec![1.0; 1 << 17])];
    let large = Checkpoint::new(large, &2).unwrap();
    let size = checkpoint::encode(&large).unwrap().len() as u64;
    for path in [folder.join(checkpoint::file_name(2)), folder.join(checkpoint::file_name(1))] {
        let error = checkpoint::write(&path, &large).unwrap_err();
        assert!(matches!(error, FileError::DiskFull { needed, .. } if needed == size), "{error}");
        assert_eq!(steps(folder), [checkpoint::file_name(1)]);
        assert_eq!(checkpoint::latest(folder).unwrap().found.unwrap().checkpoint, sample(1));
    }
    checkpoint::save(folder, 3, &sample(3)).unwrap();
    assert_eq!(checkpoint::latest(folder).unwrap().found.unwrap().step, 3);
}
