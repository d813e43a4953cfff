//! The data sets that have a name: their files, sums, licences and mirrors.

use super::dataset::Verified;
use super::error::DataError;
use super::idx::{Idx, Kind};

/// A published set of 70,000 images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DataName {
    /// Handwritten digits.
    Mnist,
    /// Ten kinds of clothes.
    Fashion,
    /// Ten cursive Japanese characters.
    Kmnist,
}

/// All that is known about a named set.
#[derive(Debug)]
pub struct Known {
    /// The short name that users type.
    pub name: &'static str,
    /// The name in full.
    pub title: &'static str,
    /// Its licence, as its authors or keepers state it.
    pub licence: &'static str,
    /// Folder names under which it is kept: ours first, then those of other libraries.
    pub folders: &'static [&'static str],
    /// Where its four `.gz` files can be fetched, in the order worth trying. Plain http is good
    /// enough, because nothing is used before its SHA-256 is right.
    pub mirrors: &'static [&'static str],
    /// Training images, training labels, test images, test labels.
    pub files: [KnownFile; 4],
}

/// One published file.
#[derive(Clone, Copy, Debug)]
pub struct KnownFile {
    /// Its name without `.gz`.
    pub name: &'static str,
    /// Images or labels.
    pub kind: Kind,
    /// The sizes of its dimensions.
    pub sizes: &'static [usize],
    /// SHA-256 of the unpacked file, where it is known. Some mirrors pack the same bytes anew, so
    /// this is the sum that counts.
    pub sha256: Option<&'static str>,
    /// Size of the published gzip file.
    pub packed_bytes: u64,
    /// SHA-256 of the published gzip file.
    pub packed_sha256: &'static str,
}

/// Every named set, in the order of `DataName`.
pub static KNOWN: [Known; 3] = [
    Known {
        name: "mnist",
        title: "MNIST, handwritten digits",
        licence: "CC BY-SA 3.0",
        folders: &["mnist", "MNIST"],
        mirrors: &[
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://raw.githubusercontent.com/fgnt/mnist/master/",
        ],
        files: files(
            [
                Some("ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
                Some("65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
                Some("0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
                Some("ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
            ],
            [9_912_422, 28_881, 1_648_877, 4_542],
            [
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            ],
        ),
    },
    Known {
        name: "fashion",
        title: "Fashion-MNIST, ten kinds of clothes",
        licence: "MIT",
        folders: &["fashion", "fashion-mnist", "FashionMNIST"],
        mirrors: &[
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
            "https://fashion-mnist.s3.eu-central-1.amazonaws.com/",
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        ],
        files: files(
            [None; 4],
            [26_421_880, 29_515, 4_422_102, 5_148],
            [
                "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
                "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
                "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
                "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            ],
        ),
    },
    Known {
        name: "kmnist",
        title: "KMNIST, ten cursive Japanese characters",
        licence: "CC BY-SA 4.0",
        folders: &["kmnist", "KMNIST"],
        mirrors: &[
            "https://codh.rois.ac.jp/kmnist/dataset/kmnist/",
            "http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
        ],
        files: files(
            [None; 4],
            [18_165_135, 29_497, 3_041_136, 5_120],
            [
                "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
                "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
                "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
                "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
            ],
        ),
    },
];

impl DataName {
    /// Every named set.
    pub const ALL: [Self; 3] = [Self::Mnist, Self::Fashion, Self::Kmnist];

    /// The set that a user means, in any spelling that is common for it.
    pub fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "mnist" => Some(Self::Mnist),
            "fashion" | "fashion-mnist" | "fashion_mnist" | "fashionmnist" => Some(Self::Fashion),
            "kmnist" | "kuzushiji" | "kuzushiji-mnist" => Some(Self::Kmnist),
            _ => None,
        }
    }

    /// All that is known about it.
    pub fn known(self) -> &'static Known {
        &KNOWN[self as usize]
    }
}

/// All named sets have ten classes.
pub(super) const CLASSES: usize = 10;

/// Decides whether `file` is file number `index` of `set`.
pub(super) fn verify(set: &'static Known, index: usize, file: &Idx) -> Result<Verified, DataError> {
    let wanted = &set.files[index];
    let path = file.path.clone();
    if file.sizes != wanted.sizes {
        let (expected, found) = (times(wanted.sizes), times(&file.sizes));
        return Err(DataError::NamedSize { path, set: set.name, expected, found });
    }
    match identify(file) {
        Some((found, at, how)) if found.name == set.name && at == index => return Ok(how),
        Some((found, at, _)) => {
            let expected = format!("{} of {}", wanted.name, set.name);
            let found = format!("{} of {}", found.files[at].name, found.name);
            return Err(DataError::WrongSet { path, expected, found });
        }
        None => {}
    }
    let (what, expected, found) = match (wanted.sha256, &file.packed_sha256) {
        (Some(sum), _) => ("unpacked", sum, &file.sha256),
        (None, Some(found)) => ("the gzip file", wanted.packed_sha256, found),
        (None, None) => return Ok(Verified::Unknown),
    };
    Err(DataError::Checksum { path, set: set.name, what, expected, found: found.clone() })
}

/// Which published file this is, whatever its name.
fn identify(file: &Idx) -> Option<(&'static Known, usize, Verified)> {
    KNOWN.iter().find_map(|set| {
        set.files.iter().enumerate().find_map(|(index, known)| {
            if known.sha256 == Some(file.sha256.as_str()) {
                return Some((set, index, Verified::Unpacked));
            }
            let packed = file.packed_sha256.as_deref() == Some(known.packed_sha256);
            packed.then_some((set, index, Verified::Packed))
        })
    })
}

/// Sizes for people: `60000 × 28 × 28`.
pub(super) fn times(sizes: &[usize]) -> String {
    let sizes: Vec<String> = sizes.iter().map(usize::to_string).collect();
    sizes.join(" × ")
}

/// All named sets follow MNIST in names and sizes.
const fn files(
    sha256: [Option<&'static str>; 4],
    packed_bytes: [u64; 4],
    packed_sha256: [&'static str; 4],
) -> [KnownFile; 4] {
    [
        KnownFile {
            name: "train-images-idx3-ubyte",
            kind: Kind::Images,
            sizes: &[60_000, 28, 28],
            sha256: sha256[0],
            packed_bytes: packed_bytes[0],
            packed_sha256: packed_sha256[0],
        },
        KnownFile {
            name: "train-labels-idx1-ubyte",
            kind: Kind::Labels,
            sizes: &[60_000],
            sha256: sha256[1],
            packed_bytes: packed_bytes[1],
            packed_sha256: packed_sha256[1],
        },
        KnownFile {
            name: "t10k-images-idx3-ubyte",
            kind: Kind::Images,
            sizes: &[10_000, 28, 28],
            sha256: sha256[2],
            packed_bytes: packed_bytes[2],
            packed_sha256: packed_sha256[2],
        },
        KnownFile {
            name: "t10k-labels-idx1-ubyte",
            kind: Kind::Labels,
            sizes: &[10_000],
            sha256: sha256[3],
            packed_bytes: packed_bytes[3],
            packed_sha256: packed_sha256[3],
        },
    ]
}
