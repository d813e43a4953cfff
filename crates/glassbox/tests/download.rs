//! Downloads from servers that behave, misbehave, or do not answer; all of them on this machine.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use glassbox::data::download::{Job, OnProgress, Patience, fetch};
use glassbox::data::idx::Kind;
use glassbox::data::named::KnownFile;
use glassbox::data::{DataError, DataName, LoadOptions, get, load_named};
use sha2::{Digest, Sha256};

const PATIENCE: Patience = Patience {
    connect: Duration::from_secs(2),
    idle: Duration::from_millis(500),
    answer: Duration::from_secs(1),
    lock: Duration::from_millis(300),
};

/// A server that gives each request the next answer of its script, then stops listening.
struct Server {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn new(answers: Vec<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                seen.lock().unwrap().push(read_request(&mut stream));
                // The client may hang up in the middle of an answer that it does not like.
                let _ = stream.write_all(&answer);
            }
        });
        Self { url, requests }
    }

    /// The `Range` header of each request so far.
    fn ranges(&self) -> Vec<Option<String>> {
        let range = |request: &String| {
            let line = request.lines().find_map(|line| line.strip_prefix("range: "));
            line.map(str::to_owned)
        };
        self.requests.lock().unwrap().iter().map(range).collect()
    }
}

fn read_request(stream: &mut TcpStream) -> String {
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
        request.push(byte[0]);
    }
    String::from_utf8(request).unwrap().to_ascii_lowercase()
}

fn answer(status: &str, headers: &str, length: usize, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n"
    );
    [head.as_bytes(), body].concat()
}

fn ok(body: &[u8]) -> Vec<u8> {
    answer("200 OK", "", body.len(), body)
}

fn partial(content: &[u8], from: usize) -> Vec<u8> {
    let range = format!("Content-Range: bytes {from}-{}/{}\r\n", content.len() - 1, content.len());
    answer("206 Partial Content", &range, content.len() - from, &content[from..])
}

/// Bytes that are no web page, longer than one read.
fn content() -> Vec<u8> {
    (0..200_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn known(name: &'static str, content: &[u8]) -> KnownFile {
    let sum: String = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
    KnownFile {
        name,
        kind: Kind::Images,
        sizes: &[],
        sha256: None,
        packed_bytes: content.len() as u64,
        packed_sha256: sum.leak(),
    }
}

fn fetch_one(folder: &Path, mirrors: &[&str]) -> Result<(), DataError> {
    let files = [known("images", &content())];
    fetch(&Job { files: &files, mirrors, folder, patience: PATIENCE, progress: None })
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
    let mut names: Vec<_> = entries.map(|entry| name(entry).to_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

/// The folder holds the file under its name, whole, and nothing that is half done.
fn assert_arrived(folder: &Path) {
    assert_eq!(names(folder), [".lock", "images.gz"]);
    assert_eq!(fs::read(folder.join("images.gz")).unwrap(), content());
}

/// One mirror with these answers fails, says `expected`, and leaves no file under the real name.
fn assert_refused(answers: Vec<Vec<u8>>, expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::new(answers);
    let text = fetch_one(folder.path(), &[&server.url]).unwrap_err().to_string();
    let url = format!("{}images.gz: ", server.url);
    assert!(text.contains(&url) && text.contains(expected), "{expected}\n{text}");
    assert!(text.contains("(hint: "), "{text}");
    assert!(!folder.path().join("images.gz").exists());
}

#[test]
fn a_good_file_arrives_and_is_not_fetched_twice() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::new(vec![ok(&content())]);
    fetch_one(folder.path(), &[&server.url]).unwrap();
    assert_arrived(folder.path());
    fetch_one(folder.path(), &["http://127.0.0.1:9/"]).unwrap();
    assert_eq!(server.ranges(), [None]);
}

#[test]
fn a_damaged_file_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let mut damaged = content();
    damaged[7] ^= 1;
    fs::write(folder.path().join("images.gz"), damaged).unwrap();
    let server = Server::new(vec![ok(&content())]);
    fetch_one(folder.path(), &[&server.url]).unwrap();
    assert_arrived(folder.path());
}

#[test]
fn progress_ends_at_the_whole_size() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::new(vec![ok(&content())]);
    let last = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&last);
    let progress = OnProgress(Arc::new(move |progress| {
        assert_eq!((progress.file, progress.total), ("images", 200_000));
        seen.store(progress.done, Ordering::Relaxed);
    }));
    let files = [known("images", &content())];
    let (mirrors, folder) = ([server.url.as_str()], folder.path());
    let progress = Some(progress);
    fetch(&Job { files: &files, mirrors: &mirrors, folder, patience: PATIENCE, progress }).unwrap();
    assert_eq!(last.load(Ordering::Relaxed), 200_000);
}

#[test]
fn what_is_wrong_with_a_mirror_is_said() {
    let page = b"\n<!DOCTYPE html><html><body>busy</body></html>";
    let html = "Content-Type: text/html\r\n";
    let mut wrong = content();
    wrong[100] ^= 1;
    assert_refused(vec![answer("404 Not Found", "", 0, b"")], "answered 404 Not Found");
    assert_refused(
        vec![answer("503 Service Unavailable", html, page.len(), page)],
        "answered 503 Service Unavailable with a web page",
    );
    assert_refused(vec![ok(page)], "answered with a web page starting \"<!DOCTYPE html>");
    assert_refused(vec![ok(&wrong)], "expected SHA-256");
    assert_refused(vec![ok(b"short")], "expected 200000 bytes, found the end after 5");
    assert_refused(vec![ok(&[content(), vec![0]].concat())], "expected 200000 bytes, found more");
    assert_refused(vec![b"nonsense\r\n\r\n".to_vec()], "http");
    // Refused, or reset if the client came before the server had hung up.
    assert_refused(vec![], "io: Connection re");
}

#[test]
fn a_broken_line_is_continued_on_the_same_mirror() {
    let folder = tempfile::tempdir().unwrap();
    let (content, half) = (content(), 120_000);
    let cut = answer("200 OK", "", content.len(), &content[..half]);
    let server = Server::new(vec![cut, partial(&content, half)]);
    fetch_one(folder.path(), &[&server.url]).unwrap();
    assert_arrived(folder.path());
    assert_eq!(server.ranges(), [None, Some("bytes=120000-".to_owned())]);
}

#[test]
fn a_truncated_answer_is_kept_for_the_next_attempt() {
    let folder = tempfile::tempdir().unwrap();
    let (content, half) = (content(), 120_000);
    let server = Server::new(vec![answer("200 OK", "", content.len(), &content[..half])]);
    fetch_one(folder.path(), &[&server.url]).unwrap_err();
    assert_eq!(names(folder.path()), [".lock", "images.gz.part"]);
    let server = Server::new(vec![partial(&content, half)]);
    fetch_one(folder.path(), &[&server.url]).unwrap();
    assert_arrived(folder.path());
    assert_eq!(server.ranges(), [Some("bytes=120000-".to_owned())]);
}

#[test]
fn a_server_without_ranges_sends_everything_again() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("images.gz.part"), &content()[..500]).unwrap();
    let server = Server::new(vec![ok(&content())]);
    fetch_one(folder.path(), &[&server.url]).unwrap();
    assert_arrived(folder.path());
    assert_eq!(server.ranges(), [Some("bytes=500-".to_owned())]);
}

#[test]
fn a_wrong_part_is_thrown_away() {
    let wrong = [b"wrong".to_vec(), content()[5..500].to_vec()].concat();
    let too_long = [content(), vec![0]].concat();
    let whole = vec![0; content().len()];
    let other_part = partial(&content(), 100);
    let past_the_end = answer("416 Range Not Satisfiable", "", 0, b"");
    for (part, first) in [
        (&wrong, Some(partial(&content(), 500))),
        (&wrong, Some(other_part)),
        (&wrong, Some(past_the_end)),
        (&too_long, None),
        (&whole, None),
    ] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("images.gz.part"), part).unwrap();
        let answers = first.into_iter().chain([ok(&content())]).collect();
        let server = Server::new(answers);
        fetch_one(folder.path(), &[&server.url]).unwrap();
        assert_arrived(folder.path());
    }
}

#[test]
fn the_next_mirror_is_tried_and_a_dead_one_is_not_asked_twice() {
    let folder = tempfile::tempdir().unwrap();
    let other = b"the labels".to_vec();
    let files = [known("images", &content()), known("labels", &other)];
    let good = Server::new(vec![ok(&content()), ok(&other)]);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_url = format!("http://{}/", silent.local_addr().unwrap());
    let mirrors = [silent_url.as_str(), &good.url];
    let (folder, start) = (folder.path(), Instant::now());
    fetch(&Job { files: &files, mirrors: &mirrors, folder, patience: PATIENCE, progress: None })
        .unwrap();
    assert_eq!(names(folder), [".lock", "images.gz", "labels.gz"]);
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    silent.set_nonblocking(true).unwrap();
    assert_eq!((silent.accept().is_ok(), silent.accept().is_ok()), (true, false));
}

#[test]
fn silence_is_given_up_soon_and_every_mirror_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let silent: Vec<TcpListener> =
        (0..4).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let urls: Vec<String> =
        silent.iter().map(|server| format!("http://{}/", server.local_addr().unwrap())).collect();
    let mirrors: Vec<&str> = urls.iter().map(String::as_str).collect();
    let start = Instant::now();
    let text = fetch_one(folder.path(), &mirrors).unwrap_err().to_string();
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    for url in &urls {
        assert!(text.contains(url.as_str()), "{text}");
    }
    assert!(text.contains("timeout") && text.contains("not tried"), "{text}");
}

#[test]
fn two_processes_do_not_write_the_same_part() {
    let folder = tempfile::tempdir().unwrap();
    let lock = fs::File::create(folder.path().join(".lock")).unwrap();
    lock.lock().unwrap();
    let error = fetch_one(folder.path(), &[]).unwrap_err();
    assert!(matches!(error, DataError::Locked { .. }), "{error}");
    drop(lock);
    let error = fetch_one(folder.path(), &[]).unwrap_err();
    assert!(matches!(error, DataError::Download { .. }), "{error}");
}

#[test]
fn without_a_network_one_message_has_all_that_helps() {
    let cache = tempfile::tempdir().unwrap();
    let options = LoadOptions {
        cache_dir: Some(cache.path().to_owned()),
        mirrors: Some(vec!["http://127.0.0.1:9/".to_owned()]),
        ..LoadOptions::default()
    };
    let offline = LoadOptions { offline: true, ..options.clone() };
    for (result, why) in [
        (load_named(DataName::Mnist, &options), "download: not asked for"),
        (get(DataName::Mnist, &offline), "download: forbidden by GLASSBOX_OFFLINE"),
        (get(DataName::Mnist, &options), "download: http://127.0.0.1:9/train-images-idx3-ubyte.gz"),
    ] {
        let error = result.unwrap_err();
        assert!(matches!(error, DataError::NotAtHand(_)), "{error}");
        let text = error.to_string();
        let target = cache.path().join("mnist").display().to_string();
        for fact in [why, &target, "GLASSBOX_DATA: not set", "`digits`", "(hint: "] {
            assert!(text.contains(fact), "{fact}\n{text}");
        }
        for file in &DataName::Mnist.known().files {
            let line = format!("{} bytes, SHA-256 {}", file.packed_bytes, file.packed_sha256);
            assert!(text.contains(file.name) && text.contains(&line), "{text}");
        }
    }
}
