//! One file from one mirror: ask, continue where an earlier attempt stopped, check, give the name.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use ureq::http::{Response, StatusCode, header};
use ureq::{Agent, Body};

use super::download::{Job, Progress};
use super::error::DataError;
use super::named::KnownFile;
use super::recognise;
use crate::file::seal::hex;

/// Bytes that are read at a time.
const CHUNK: usize = 64 << 10;

/// How often one mirror is asked for one file, as long as that leads anywhere.
const ATTEMPTS: usize = 3;

/// A server that keeps sending, but fewer bytes a second than this, is given up.
const SLOWEST: u64 = 1 << 10;

/// Why a file did not come.
pub(super) enum Trouble {
    /// The mirror's fault, or the network's: another mirror may do better.
    There { why: String, answered: bool },
    /// This machine's: no mirror can help.
    Here(DataError),
}

impl From<DataError> for Trouble {
    fn from(error: DataError) -> Self {
        Self::Here(error)
    }
}

fn there(why: impl Into<String>) -> Trouble {
    Trouble::There { why: why.into(), answered: true }
}

/// A file that is being fetched, under the name it has until it is complete.
struct Part<'a> {
    known: &'a KnownFile,
    path: PathBuf,
    file: File,
    /// Bytes that are on the disk.
    length: u64,
}

/// Whether the file lies in the folder already, with the right size and sum.
pub(super) fn is_complete(folder: &Path, known: &KnownFile) -> Result<bool, DataError> {
    let path = folder.join(format!("{}.gz", known.name));
    match fs::metadata(&path) {
        Ok(meta) if meta.len() == known.packed_bytes => {
            let mut file = File::open(&path).map_err(DataError::io(&path, "open it"))?;
            let sum = sum(&mut file).map_err(DataError::io(&path, "read it"))?;
            Ok(sum == known.packed_sha256)
        }
        _ => Ok(false),
    }
}

/// Fetches a file and gives it its name. `left` limits the wait for an answer.
pub(super) fn fetch(
    job: &Job<'_>,
    known: &KnownFile,
    url: &str,
    left: Duration,
) -> Result<(), Trouble> {
    let mut part = Part::open(job.folder, known)?;
    let agent = agent(job, url, left);
    let mut story = Vec::new();
    loop {
        let before = part.length;
        match part.receive(job, &agent, url).and_then(|()| part.check()) {
            Ok(()) => break,
            Err(Trouble::There { why, answered }) => {
                story.push(why);
                // Some came before the line broke, so the rest may come now; or what an earlier
                // attempt had left was wrong and is thrown away: the mirror gets a clean chance.
                let hope = answered && part.length != before && story.len() < ATTEMPTS;
                if !hope {
                    let why = story.join("; then ");
                    return Err(Trouble::There { why, answered });
                }
            }
            Err(here) => return Err(here),
        }
    }
    part.give_name(job.folder).map_err(Trouble::Here)
}

impl<'a> Part<'a> {
    fn open(folder: &Path, known: &'a KnownFile) -> Result<Self, DataError> {
        let path = folder.join(format!("{}.gz.part", known.name));
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false);
        let file = options.open(&path).map_err(DataError::io(&path, "write it"))?;
        let length = file.metadata().map_err(DataError::io(&path, "look at it"))?.len();
        let mut part = Self { known, path, file, length };
        if length > known.packed_bytes {
            part.clear()?;
        }
        Ok(part)
    }

    /// Forgets what is on the disk.
    fn clear(&mut self) -> Result<(), DataError> {
        self.length = 0;
        self.file.set_len(0).map_err(DataError::io(&self.path, "cut it"))
    }

    /// Asks for the rest of the file and writes what comes.
    fn receive(&mut self, job: &Job<'_>, agent: &Agent, url: &str) -> Result<(), Trouble> {
        if self.length == self.known.packed_bytes {
            return Ok(());
        }
        let mut request = agent.get(url);
        if self.length > 0 {
            request = request.header(header::RANGE, format!("bytes={}-", self.length));
        }
        let response = request
            .call()
            .map_err(|error| Trouble::There { why: error.to_string(), answered: false })?;
        self.accept(&response)?;
        // One byte more than is due is enough to notice that too much comes.
        let due = self.known.packed_bytes - self.length;
        let body = response.into_body().into_reader().take(due + 1);
        self.write_body(job, body)
    }

    /// Decides by the status what the body will be: the rest, the whole, or not the file at all.
    fn accept(&mut self, response: &Response<Body>) -> Result<(), Trouble> {
        let status = response.status();
        match status {
            StatusCode::PARTIAL_CONTENT if starts_at(response, self.length) => Ok(()),
            // The server does not know ranges and sends everything: so we start from nothing.
            StatusCode::OK => Ok(self.clear()?),
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
                self.clear()?;
                Err(there(format!("{status}: sent another part than was asked for")))
            }
            _ => Err(there(format!("answered {status}{}", web_page(response)))),
        }
    }

    fn write_body(&mut self, job: &Job<'_>, mut body: impl Read) -> Result<(), Trouble> {
        let seek = self.file.seek(SeekFrom::Start(self.length));
        seek.map_err(DataError::io(&self.path, "write it"))?;
        let (start, before, mut chunk) = (Instant::now(), self.length, vec![0; CHUNK]);
        let total = self.known.packed_bytes;
        while self.length < total + 1 {
            let count = match body.read(&mut chunk) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    let done = self.length;
                    return Err(there(format!("stopped after {done} of {total} bytes: {error}")));
                }
            };
            self.write(&chunk[..count])?;
            if let Some(on_progress) = &job.progress {
                (on_progress.0)(Progress { file: self.known.name, done: self.length, total });
            }
            let spent = start.elapsed();
            if spent > job.patience.idle && self.length - before < SLOWEST * spent.as_secs() {
                return Err(there(format!("sends less than {SLOWEST} bytes a second")));
            }
        }
        self.check_length()
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        if self.length == 0 && recognise::is_web_page(bytes) {
            let start = recognise::text(bytes);
            return Err(there(format!("answered with a web page {start}")));
        }
        self.file.write_all(bytes).map_err(DataError::io(&self.path, "write it"))?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    fn check_length(&mut self) -> Result<(), Trouble> {
        let (found, expected) = (self.length, self.known.packed_bytes);
        if found > expected {
            self.clear()?;
            return Err(there(format!("expected {expected} bytes, found more")));
        }
        if found < expected {
            // A broken line is an error of `read`; this is the whole of some other file.
            self.clear()?;
            return Err(there(format!("expected {expected} bytes, found the end after {found}")));
        }
        Ok(())
    }

    /// Compares the sum of what is on the disk, not of what went by: that is what will be used.
    fn check(&mut self) -> Result<(), Trouble> {
        let found = sum(&mut self.file).map_err(DataError::io(&self.path, "read it"))?;
        let expected = self.known.packed_sha256;
        if found == expected {
            return Ok(());
        }
        self.clear()?;
        Err(there(format!("expected SHA-256 {expected}, found {found}")))
    }

    /// Content to the disk, then the name, then the folder's entry to the disk: in this order a
    /// crash leaves either no file or the whole file.
    fn give_name(self, folder: &Path) -> Result<(), DataError> {
        self.file.sync_all().map_err(DataError::io(&self.path, "write it"))?;
        let path = folder.join(format!("{}.gz", self.known.name));
        fs::rename(&self.path, &path).map_err(DataError::io(&path, "give the file this name"))?;
        // Only Unix lets a folder be opened and synced.
        if cfg!(unix) {
            let synced = File::open(folder).and_then(|folder| folder.sync_all());
            synced.map_err(DataError::io(folder, "write this folder"))?;
        }
        Ok(())
    }
}

/// A client with our patience. Proxies of the environment are honoured, except for this machine.
fn agent(job: &Job<'_>, url: &str, left: Duration) -> Agent {
    let patience = &job.patience;
    let connect = Some(patience.connect.min(left));
    let mut config = Agent::config_builder()
        .user_agent(concat!("glassbox/", env!("CARGO_PKG_VERSION")))
        .http_status_as_error(false)
        .max_redirects(5)
        .timeout_resolve(connect)
        .timeout_connect(connect)
        .timeout_recv_response(Some(patience.idle.min(left)))
        .timeout_per_read(Some(patience.idle));
    if url.starts_with("http://127.0.0.1") || url.starts_with("http://localhost") {
        config = config.proxy(None);
    }
    config.build().into()
}

fn starts_at(response: &Response<Body>, offset: u64) -> bool {
    let range = response.headers().get(header::CONTENT_RANGE).and_then(|range| range.to_str().ok());
    range.is_some_and(|range| range.trim().starts_with(&format!("bytes {offset}-")))
}

fn web_page(response: &Response<Body>) -> &'static str {
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    if kind.is_some_and(|kind| kind.contains("html")) { " with a web page" } else { "" }
}

/// SHA-256 of a file from its first byte.
fn sum(file: &mut File) -> io::Result<String> {
    file.seek(SeekFrom::Start(0))?;
    let (mut sha256, mut chunk) = (Sha256::new(), vec![0; CHUNK]);
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(hex(sha256)),
            count => sha256.update(&chunk[..count]),
        }
    }
}
