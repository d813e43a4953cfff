//! Where a data set is looked for: a given folder, the environment, our cache, the network.

use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;

use super::absent::{Looked, NotAtHand};
use super::builtin;
use super::dataset::DataPair;
use super::download::{self, Job, OnProgress, Patience};
use super::error::DataError;
use super::folder::{self, read_folder};
use super::named::{DataName, Known};

/// How data sets are looked for.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// `--data-dir`: a folder that holds the four files, or a folder for each set. When it is
    /// given, the environment's folder is not looked at.
    pub data_dir: Option<PathBuf>,
    /// The environment's folder, `GLASSBOX_DATA`, of the same form.
    pub env_dir: Option<PathBuf>,
    /// Our cache, with a folder for each set.
    pub cache_dir: Option<PathBuf>,
    /// Whether a set may be fetched over the network. Never without the user's word.
    pub allow_download: bool,
    /// `GLASSBOX_OFFLINE=1`: forbids the network whatever else is said.
    pub offline: bool,
    /// Addresses to fetch from instead of the known mirrors; each ends with a slash.
    pub mirrors: Option<Vec<String>>,
    /// How long to wait for the network.
    pub patience: Patience,
    /// Who wants to see the progress of a download.
    pub progress: Option<OnProgress>,
}

/// A place for data sets, in the words of its user.
struct Place<'a> {
    title: &'static str,
    folder: &'a Path,
    /// Whether the user pointed at this folder for this run: then what is wrong there is an error.
    explicit: bool,
    /// Whether an incomplete set is normal here: a download that was interrupted.
    ours: bool,
}

impl LoadOptions {
    /// What the environment says: `GLASSBOX_DATA`, `GLASSBOX_OFFLINE`, and where caches go.
    pub fn from_env() -> Self {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let caches = etcetera::choose_base_strategy().ok().map(|base| base.cache_dir());
        Self {
            env_dir: variable("GLASSBOX_DATA").map(PathBuf::from),
            offline: variable("GLASSBOX_OFFLINE").is_some_and(|value| value != "0"),
            cache_dir: caches.map(|caches| caches.join("glassbox").join("data")),
            ..Self::default()
        }
    }

    fn places(&self) -> Vec<Place<'_>> {
        let place = |title, folder, explicit, ours| Place { title, folder, explicit, ours };
        let given = self.data_dir.iter().map(|f| place("the given folder", &**f, true, false));
        let env = self.env_dir.iter().filter(|_| self.data_dir.is_none());
        let env = env.map(|f| place("GLASSBOX_DATA", &**f, false, false));
        let cache = self.cache_dir.iter().map(|f| place("the cache", &**f, false, true));
        given.chain(env).chain(cache).collect()
    }

    fn may_download(&self) -> bool {
        self.allow_download && !self.offline
    }

    /// The folder of the cache that a set is fetched into.
    pub fn target(&self, set: &Known) -> Option<PathBuf> {
        self.cache_dir.as_ref().map(|cache| cache.join(set.name))
    }
}

/// Loads `mnist`, `fashion`, `kmnist`, `digits`, or the four IDX files of a folder.
pub fn load(name_or_dir: &str, options: &LoadOptions) -> Result<DataPair, DataError> {
    if name_or_dir.eq_ignore_ascii_case("digits") {
        return Ok(builtin::digits());
    }
    if let Some(name) = DataName::parse(name_or_dir) {
        return load_named(name, options);
    }
    let folder = Path::new(name_or_dir);
    if folder.is_dir() {
        return read_folder(folder);
    }
    let hint = if folder.exists() {
        "pass the folder that holds the four files, not one of them"
    } else {
        "check the spelling; `glassbox data list` shows what is at hand"
    };
    Err(DataError::UnknownName { name: name_or_dir.to_owned(), hint })
}

/// Loads a named set from the first place that has it, or fetches it if that is allowed.
pub fn load_named(name: DataName, options: &LoadOptions) -> Result<DataPair, DataError> {
    let set = name.known();
    let mut looked = unset_places(options);
    for place in options.places() {
        match find(&place, set).and_then(|(folder, paths)| read(&place, &folder, &paths, set)) {
            Ok(pair) => return Ok(pair),
            // A damaged file in our own cache is fetched again, not complained about.
            Err(Miss::Wrong(error)) if !(place.ours && options.may_download()) => {
                return Err(error);
            }
            Err(miss) => looked.push(place.looked(miss)),
        }
    }
    let target = options.target(set);
    let attempts = match fetch(set, target.as_deref(), options) {
        Ok(pair) => return Ok(pair),
        Err(attempts) => attempts,
    };
    Err(DataError::NotAtHand(Box::new(NotAtHand { set, looked, attempts, target })))
}

/// Like `load_named`, with the user's word that the network may be used.
pub fn get(name: DataName, options: &LoadOptions) -> Result<DataPair, DataError> {
    load_named(name, &LoadOptions { allow_download: true, ..options.clone() })
}

/// Where a named set lies, by its training labels and the names of its other files; or each place and
/// why it does not serve.
pub(super) fn whereabouts(
    set: &'static Known,
    options: &LoadOptions,
) -> Result<PathBuf, Vec<Looked>> {
    let mut looked = unset_places(options);
    for place in options.places() {
        match find(&place, set).and_then(|(folder, paths)| peek(&place, folder, &paths, set)) {
            Ok(folder) => return Ok(folder),
            Err(miss) => looked.push(place.looked(miss)),
        }
    }
    Err(looked)
}

/// A place that could have been used is worth a line, too.
fn unset_places(options: &LoadOptions) -> Vec<Looked> {
    if options.env_dir.is_some() || options.data_dir.is_some() {
        return Vec::new();
    }
    vec![Looked { place: "GLASSBOX_DATA".to_owned(), why: "not set".to_owned() }]
}

/// Why a place does not serve: go on to the next one, or stop and say what is wrong.
enum Miss {
    NotHere(String),
    Wrong(DataError),
}

impl Place<'_> {
    fn looked(&self, miss: Miss) -> Looked {
        let place = format!("{} ({})", self.title, self.folder.display());
        let why = match miss {
            Miss::NotHere(why) => why,
            Miss::Wrong(error) => error.to_string(),
        };
        Looked { place, why }
    }

    /// A folder set up once for one data set (`GLASSBOX_DATA=…/mnist`) must not get in the way of
    /// another that lies in the cache, so there another set is only "not here".
    fn miss(&self, folder: &Path, error: DataError) -> Miss {
        match error {
            DataError::WrongSet { found, .. } if !self.explicit && folder == self.folder => {
                Miss::NotHere(format!("it holds {found}"))
            }
            error => Miss::Wrong(error),
        }
    }
}

/// The folder within a place that holds a set's four files, and the files.
fn find(place: &Place<'_>, set: &Known) -> Result<(PathBuf, [PathBuf; 4]), Miss> {
    if !place.folder.is_dir() && place.explicit {
        let (path, found) = (place.folder.to_owned(), "no folder");
        let hint = "pass the folder that holds the four files, or a folder for each set";
        return Err(Miss::Wrong(DataError::NotAFolder { path, found, hint }));
    }
    if !place.folder.is_dir() {
        return Err(Miss::NotHere("no such folder".to_owned()));
    }
    for folder in folders(place.folder, set) {
        match folder::exact(&folder, set.files[0].sha256.is_some()) {
            Ok(None) => {}
            Ok(Some(paths)) => return Ok((folder, paths)),
            Err(error) if place.ours => return Err(Miss::NotHere(error.to_string())),
            Err(error) => return Err(Miss::Wrong(error)),
        }
    }
    Err(Miss::NotHere(format!("no folder {} and no IDX files", set.folders[0])))
}

fn read(
    place: &Place<'_>,
    folder: &Path,
    paths: &[PathBuf; 4],
    set: &'static Known,
) -> Result<DataPair, Miss> {
    folder::read_named(folder, paths, set).map_err(|error| place.miss(folder, error))
}

/// The folder, unless its training labels are another set's: of the four files the one that is read
/// at once and tells which set this is.
fn peek(
    place: &Place<'_>,
    folder: PathBuf,
    paths: &[PathBuf; 4],
    set: &'static Known,
) -> Result<PathBuf, Miss> {
    match folder::check_labels(paths, set) {
        Ok(()) => Ok(folder),
        Err(error) => Err(place.miss(&folder, error)),
    }
}

/// Downloads a set into our cache and reads it there; or says why not, a line for each attempt.
fn fetch(
    set: &'static Known,
    target: Option<&Path>,
    options: &LoadOptions,
) -> Result<DataPair, Vec<String>> {
    let line = |text: &str| vec![text.to_owned()];
    let folder = match target {
        _ if options.offline => return Err(line("forbidden by GLASSBOX_OFFLINE")),
        _ if !options.allow_download => return Err(line("not asked for")),
        None => return Err(line("no folder for it: neither XDG_CACHE_HOME nor HOME is set")),
        Some(folder) => folder,
    };
    let mirrors = options.mirrors.as_ref().map(|urls| urls.iter().map(String::as_str).collect());
    let mirrors: Vec<&str> = mirrors.unwrap_or_else(|| set.mirrors.to_vec());
    let (files, patience) = (&set.files, options.patience);
    let progress = options.progress.clone();
    let job = Job { files, mirrors: &mirrors, folder, patience, progress };
    download::fetch(&job).and_then(|()| read_fetched(folder, set)).map_err(|error| match error {
        DataError::Download { attempts, .. } => attempts,
        error => vec![error.to_string()],
    })
}

fn read_fetched(folder: &Path, set: &'static Known) -> Result<DataPair, DataError> {
    match folder::exact(folder, false)? {
        Some(paths) => folder::read_named(folder, &paths, set),
        None => {
            let (folder, missing) = (folder.to_owned(), set.files[0].name.to_owned());
            Err(DataError::Missing { folder, missing })
        }
    }
}

/// The folders in which a set may lie, the most telling names first: torchvision's `MNIST/raw`,
/// `mnist`, and the folder itself.
fn folders(root: &Path, set: &Known) -> Vec<PathBuf> {
    let names = set.folders.iter().map(|name| root.join(name));
    let mut folders: Vec<PathBuf> = names.flat_map(|f| [f.join("raw"), f]).collect();
    folders.push(root.to_owned());
    folders
}
