//! What can be wrong with a data set, with the facts of each case and what to do about it.

use std::io;
use std::path::PathBuf;

use super::absent::NotAtHand;
use super::labels::LabelError;

/// Why data could not be read. Offsets count bytes from 0; in a gzip file they count unpacked
/// bytes, except where the text says "packed".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs)] // the fields are the facts that the messages name
pub enum DataError {
    /// The system refused to open, read, write or look at a file.
    #[error("{path}: cannot {action}: {source} (hint: check that it exists and may be read)")]
    Io { path: PathBuf, action: &'static str, source: io::Error },

    /// Something that is no plain file stands where a file should.
    #[error("{path}: expected a plain file, found {found} (hint: {hint})")]
    NotAFile { path: PathBuf, found: &'static str, hint: &'static str },

    /// Something that is no folder stands where a folder should, or nothing does.
    #[error("{path}: expected a folder, found {found} (hint: {hint})")]
    NotAFolder { path: PathBuf, found: &'static str, hint: &'static str },

    /// A file without any bytes.
    #[error(
        "{path}: byte 0: expected an IDX header, found an empty file \
         (hint: an interrupted download leaves such a file; delete it and fetch it again)"
    )]
    Empty { path: PathBuf },

    /// A server's page was saved under the name of the data.
    #[error(
        "{path}: byte 0: expected an IDX file, found HTML: this is a web page, {found} \
         (hint: the server answered with a page instead of the data; delete the file and fetch it \
         from another mirror)"
    )]
    WebPage { path: PathBuf, found: String },

    /// The first bytes are not those of an IDX file.
    #[error("{path}: byte 0: expected an IDX file ({expected}), found {found} (hint: {hint})")]
    NotIdx { path: PathBuf, expected: String, found: String, hint: &'static str },

    /// An IDX file of numbers that are no bytes.
    #[error(
        "{path}: byte 2: expected type 0x08 (unsigned bytes), found 0x{found:02x} ({name}) \
         (hint: convert the values to bytes 0 to 255 first)"
    )]
    WrongType { path: PathBuf, found: u8, name: &'static str },

    /// An IDX file with another number of dimensions; often images and labels are swapped.
    #[error("{path}: byte 3: expected {expected}, found {found} (hint: {hint})")]
    WrongRank { path: PathBuf, expected: &'static str, found: String, hint: &'static str },

    /// A header that promises nothing at all.
    #[error(
        "{path}: byte {offset}: expected at least 1 {what}, found 0 \
         (hint: the file was written without data; make or fetch it again)"
    )]
    Nothing { path: PathBuf, offset: u64, what: &'static str },

    /// A header whose sizes multiply to more than a computer can count.
    #[error(
        "{path}: byte 4: expected sizes whose product is at most {expected}, found {found} \
         (hint: the header is damaged; fetch the file again)"
    )]
    Overflow { path: PathBuf, expected: u64, found: String },

    /// Fewer bytes than the header promises.
    #[error(
        "{path}: byte {offset}: expected {expected} bytes in all, found the end after {found} \
         (hint: the file is cut short; fetch it again)"
    )]
    Truncated { path: PathBuf, offset: u64, expected: u64, found: u64 },

    /// More bytes than the header promises.
    #[error(
        "{path}: byte {offset}: expected the end of the file, found {found} \
         (hint: the header and the content do not belong together; fetch the file again)"
    )]
    Trailing { path: PathBuf, offset: u64, found: String },

    /// A small gzip file that unpacks to something huge.
    #[error(
        "{path}: byte {offset}: expected at most {expected} unpacked bytes from so small a file, \
         found a header that promises {found} (hint: it may be cut short, then fetch it again; if not, this \
         looks like a gzip bomb; if you trust the file, unpack it with gunzip and use the plain file)"
    )]
    Bomb { path: PathBuf, offset: u64, expected: u64, found: u64 },

    /// A damaged gzip file.
    #[error(
        "{path}: packed byte {offset}: expected intact gzip data, found {found} \
         (hint: the file is damaged, cut short, or in several gzip members; fetch it again)"
    )]
    Gzip { path: PathBuf, offset: u64, found: String },

    /// Bytes behind the end of a gzip file.
    #[error(
        "{path}: packed byte {offset}: expected the end of the gzip file, found {found} \
         (hint: two files were joined or the download went wrong; fetch it again)"
    )]
    GzipTrailing { path: PathBuf, offset: u64, found: &'static str },

    /// The data is plausible, and this machine has no room for it.
    #[error(
        "{path}: expected room for {expected} bytes, found none \
         (hint: close other programs or use a smaller data set)"
    )]
    OutOfMemory { path: PathBuf, expected: u64 },

    /// A label that cannot be right.
    #[error("{path}: byte {offset}: {source}")]
    Label { path: PathBuf, offset: u64, source: LabelError },

    /// Images and labels of different number.
    #[error(
        "{labels_path}: byte 4: expected {images} labels, one for each image of {images_path}, \
         found {labels} (hint: the two files belong to different sets; fetch both again)"
    )]
    Count { images_path: PathBuf, labels_path: PathBuf, images: usize, labels: usize },

    /// Training and test images of different size.
    #[error(
        "{path}: byte 8: expected images of {expected} like the training set, found {found} \
         (hint: the two files belong to different sets; fetch both again)"
    )]
    ImageSize { path: PathBuf, expected: String, found: String },

    /// A named file with other sizes than the published ones.
    #[error(
        "{path}: byte 4: expected {expected} ({set}), found {found} \
         (hint: this is another data set; pass its folder's path instead of the name `{set}`)"
    )]
    NamedSize { path: PathBuf, set: &'static str, expected: String, found: String },

    /// A named file with other bytes than the published ones.
    #[error(
        "{path}: from byte 0: expected SHA-256 {expected} ({set}, {what}), found {found} \
         (hint: the file is damaged or changed; fetch it again, or pass the folder's path instead \
         of the name `{set}` to use it as it is)"
    )]
    Checksum {
        path: PathBuf,
        set: &'static str,
        what: &'static str,
        expected: &'static str,
        found: String,
    },

    /// One known set under the name of another, or two of its files swapped.
    #[error(
        "{path}: from byte 0: expected {expected}, found {found} \
         (hint: these sets share their file names; keep each in a folder of its own)"
    )]
    WrongSet { path: PathBuf, expected: String, found: String },

    /// A folder without one of the four files.
    #[error(
        "{folder}: expected four IDX files, found no {missing} \
         (hint: name them like MNIST's, as they are or with .gz at the end)"
    )]
    Missing { folder: PathBuf, missing: String },

    /// A folder in which several files could be meant.
    #[error(
        "{folder}: expected one file of {expected}, found {found} \
         (hint: put each data set into a folder of its own)"
    )]
    Ambiguous { folder: PathBuf, expected: &'static str, found: String },

    /// A name that is neither a set nor a folder.
    #[error(
        "{name}: expected mnist, fashion, kmnist, digits or a folder of IDX files, \
         found no such thing (hint: {hint})"
    )]
    UnknownName { name: String, hint: &'static str },

    /// A named set that is nowhere on this machine.
    #[error(transparent)]
    NotAtHand(Box<NotAtHand>),

    /// No mirror served a file as it should be.
    #[error(
        "{folder}: expected to fetch {file}.gz, found no mirror that serves it:\n  {}\n\
         (hint: check the network and its proxy, or fetch the file by hand)",
        attempts.join("\n  ")
    )]
    Download { folder: PathBuf, file: &'static str, attempts: Vec<String> },

    /// Another process is fetching the same set, and does not come to an end.
    #[error(
        "{path}: expected to get this lock within {waited} s, found it held by another process \
         (hint: let the other download finish, then try again)"
    )]
    Locked { path: PathBuf, waited: u64 },
}

impl DataError {
    /// For `map_err`: an error of the system while doing `action` ("open it") to `path`.
    pub(crate) fn io(
        path: impl Into<PathBuf>,
        action: &'static str,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, action, source }
    }
}
