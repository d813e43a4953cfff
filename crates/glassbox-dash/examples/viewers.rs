//! Viewers of a dashboard, as its server sees them: what `make bench-dashboard` measures the cost of.
//!
//! `viewers LIVELY STALLED [panels]` reads a dashboard's link from its input, if there is one, and goes on until that ends.
//! A lively viewer is the page in a browser of its own, as it opens: it has the stream of events, and fetches the pictures
//! of its first panel over a connection that stays open, as soon as the page would. A stalled one has asked for the stream
//! and reads nothing. With `panels`, one more opens every panel, again and again. In the end it prints what they got, as
//! JSON, and fails if a lively one got nothing.
//!
//! It is a program of its own, and a lean one, because its work is done by the processors that train; and its threads stand
//! ready before there is a link, as browsers do that somebody opens it in.

use glassbox_plot::Picture;
use serde_json::{Map, Value, json};
use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write, stdin, stdout};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};
use tokio::net::TcpSocket;
use tokio::runtime::Builder;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What the page waits at least before it fetches a picture anew.
const PERIOD: Duration = Duration::from_millis(500);

/// What the page shows first.
const FIRST_PANEL: [&str; 3] = ["curves", "rate", "throughput"];

/// Windows: a laptop's and a phone's.
const LOOKS: [&str; 2] = ["width=900&dark=0", "width=380&dark=1"];

/// Between two panels that are opened.
const PAUSE: Duration = Duration::from_millis(50);

/// What the panels ask for when they are opened, beside the pictures.
const NETWORK: [&str; 5] = [
    "",
    "/unit?layer=1&unit=3",
    "/image?row=0",
    "/image?row=0&go=next&wrong=1",
    "/step?what=dL/dW2[17,3]&first=0&test=0",
];

/// Where the dashboard is.
#[derive(Clone)]
struct Place {
    address: String,
    token: String,
}

/// Where the dashboard is, and the run that it shows, once they are known.
static SHOWN: OnceLock<(Place, String)> = OnceLock::new();

/// An answer without what nobody here looks at.
struct Answer {
    status: u16,
    tag: Option<String>,
    /// For so long nothing newer is drawn.
    wait: Duration,
    body: Vec<u8>,
}

/// A connection that stays open.
struct Connection {
    place: Place,
    stream: BufReader<TcpStream>,
}

#[derive(Default)]
struct Got {
    bytes: AtomicU64,
    pictures: AtomicU64,
}

impl Place {
    /// `http://127.0.0.1:1234/?token=…`
    fn of(link: &str) -> Result<Place> {
        let address = link.split('/').nth(2).ok_or("no link")?.to_string();
        let token = link.trim().rsplit('=').next().ok_or("no token")?.to_string();
        Ok(Place { address, token })
    }

    fn connect(&self) -> Result<Connection> {
        let stream = TcpStream::connect(&self.address)?;
        stream.set_nodelay(true)?;
        Ok(self.over(stream))
    }

    /// A connection whose small buffer is full soon, so that whoever reads nothing stalls.
    fn connect_to_stall(&self) -> Result<Connection> {
        let runtime = Builder::new_current_thread().enable_io().build()?;
        let stream = runtime.block_on(async {
            let socket = TcpSocket::new_v4()?;
            socket.set_recv_buffer_size(8192)?;
            socket.connect(self.address.parse().map_err(std::io::Error::other)?).await?.into_std()
        })?;
        stream.set_nonblocking(false)?;
        Ok(self.over(stream))
    }

    fn over(&self, stream: TcpStream) -> Connection {
        Connection { place: self.clone(), stream: BufReader::new(stream) }
    }
}

impl Connection {
    fn send(&mut self, path: &str, more: &str) -> Result<()> {
        let Place { address, token } = &self.place;
        let head = format!(
            "GET {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n{more}\r\n"
        );
        Ok(self.stream.get_mut().write_all(head.as_bytes())?)
    }

    fn ask(&mut self, path: &str, tag: Option<&str>) -> Result<Answer> {
        let tag = tag.map(|tag| format!("if-none-match: {tag}\r\n")).unwrap_or_default();
        self.send(path, &tag)?;
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let status = line.split(' ').nth(1).ok_or("no answer")?.parse()?;
        let mut answer = Answer { status, tag: None, wait: Duration::ZERO, body: Vec::new() };
        let mut length = 0;
        loop {
            line.clear();
            self.stream.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            match name {
                "content-length" => length = value.parse()?,
                "etag" => answer.tag = Some(value.to_string()),
                "glassbox-stale" | "glassbox-fresh" => {
                    answer.wait = Duration::from_millis(value.parse()?);
                }
                _ => {}
            }
        }
        answer.body.resize(if status == 304 { 0 } else { length }, 0);
        self.stream.read_exact(&mut answer.body)?;
        Ok(answer)
    }
}

/// Reads the stream of events until it ends.
fn listen(got: &Got) -> Result<()> {
    let (place, _) = SHOWN.wait();
    let mut connection = place.connect()?;
    connection.send("/api/events", "")?;
    let mut room = vec![0; 1 << 16];
    loop {
        match connection.stream.get_mut().read(&mut room)? {
            0 => return Ok(()),
            count => got.bytes.fetch_add(count as u64, Ordering::Relaxed),
        };
    }
}

/// Fetches pictures as the page does: each anew where there is something new, and as soon as it is time for it.
fn watch(look: &str, got: &Got) -> Result<()> {
    let (place, run) = SHOWN.wait();
    let mut connection = place.connect()?;
    let mut shown = FIRST_PANEL.map(|subject| {
        (format!("/api/pictures/{subject}?runs={run}&{look}"), None, Instant::now())
    });
    loop {
        for (path, tag, due) in shown.iter_mut().filter(|(.., due)| *due <= Instant::now()) {
            let begun = Instant::now();
            let answer = connection.ask(path, tag.as_deref())?;
            got.pictures.fetch_add(u64::from(answer.status == 200), Ordering::Relaxed);
            *due = (begun + PERIOD).max(Instant::now() + answer.wait);
            *tag = answer.tag;
        }
        let next = shown.iter().map(|(.., due)| *due).min().unwrap_or_else(Instant::now);
        sleep(next.saturating_duration_since(Instant::now()));
    }
}

/// Opens every panel, twenty a second, again and again, and counts the answers that are more than a reason.
fn open_panels(place: &Place, run: &str, panels: &Mutex<Map<String, Value>>) -> Result<()> {
    let mut connection = place.connect()?;
    let base = format!("/api/runs/{run}");
    let pictures = Picture::ALL.map(Picture::name);
    let pictures =
        pictures.map(|name| (name, format!("/api/pictures/{name}?runs={run}&width=900")));
    let network = NETWORK.map(|name| (name, format!("{base}/network{name}")));
    loop {
        for (name, path) in pictures.iter().chain([&("run", base.clone())]).chain(&network) {
            sleep(PAUSE);
            let answer = connection.ask(path, None)?;
            let start = &answer.body[..answer.body.len().min(200)];
            let is_told = !start.windows(5).any(|word| word == b"\"why\"");
            let name = name.split('?').next().unwrap_or_default().trim_start_matches('/');
            let name = if name.is_empty() { "network" } else { name };
            let mut panels = panels.lock().unwrap();
            let count = panels.get(name).and_then(Value::as_u64).unwrap_or(0);
            panels.insert(name.to_string(), json!(count + u64::from(is_told)));
        }
    }
}

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [lively, stalled, ..] = &words[..] else {
        return Err("viewers LIVELY STALLED [panels]".into());
    };
    let [lively, stalled] = [lively, stalled].map(|word| word.parse::<usize>());
    let gots: Vec<Arc<Got>> = (0..lively?).map(|_| Arc::default()).collect();
    for (got, look) in gots.iter().zip(LOOKS.into_iter().cycle()) {
        let (got, with) = (Arc::clone(got), Arc::clone(got));
        spawn(move || listen(&got).map_err(|error| error.to_string()));
        spawn(move || watch(look, &with).map_err(|error| error.to_string()));
    }
    let mut link = String::new();
    if stdin().read_line(&mut link)? == 0 {
        return Ok(());
    }
    let place = Place::of(&link)?;
    let runs: Value = serde_json::from_slice(&place.connect()?.ask("/api/runs", None)?.body)?;
    let run = runs["runs"][0]["id"].as_str().ok_or("no run")?.to_string();
    let (place, run) = SHOWN.get_or_init(|| (place, run));
    let mut silent = Vec::new();
    for _ in 0..stalled? {
        let mut connection = place.connect_to_stall()?;
        connection.send("/api/events", "")?;
        silent.push(connection);
    }
    let panels = Arc::new(Mutex::new(Map::new()));
    if words.get(2).is_some() {
        let panels = Arc::clone(&panels);
        spawn(move || open_panels(place, run, &panels).map_err(|error| error.to_string()));
    }
    stdin().read_to_end(&mut Vec::new())?;
    let counts = |what: fn(&Got) -> &AtomicU64| {
        gots.iter().map(|got| what(got).load(Ordering::Relaxed)).collect::<Vec<u64>>()
    };
    let [bytes, pictures] = [counts(|got| &got.bytes), counts(|got| &got.pictures)];
    if bytes.iter().chain(&pictures).any(|&count| count == 0) {
        return Err(format!("a viewer got nothing: bytes {bytes:?}, pictures {pictures:?}").into());
    }
    let [bytes, pictures] = [bytes, pictures].map(|counts| counts.iter().sum::<u64>());
    let got = json!({ "bytes": bytes, "pictures": pictures, "panels": *panels.lock().unwrap() });
    writeln!(stdout(), "{got}")?;
    Ok(())
}
