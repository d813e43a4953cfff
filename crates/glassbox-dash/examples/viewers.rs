//! Viewers of a dashboard, as its server sees them: what `make bench-dashboard` measures the cost of.
//!
//! `viewers LIVELY STALLED [panels]` reads a dashboard's link from its input, if there is one, and goes on until that ends.
//! A lively viewer is an open page in a browser of its own: it has the stream of events, and fetches the picture that is in
//! sight over a connection that stays open, as soon as the page would. What a page fetches once, to open, is not part of it:
//! its own files, the list of runs, and what is known of the run. A stalled one has asked for the stream and reads nothing.
//! With `panels`, one more opens every panel, again and again. In the end it prints what they got, as JSON. It fails if a
//! lively one got nothing, was refused, or lost its connection before the end.
//!
//! It is a program of its own, and a lean one that works on one thread, because the processors that train do its work.

use glassbox_plot::Picture;
use serde_json::{Map, Value, json};
use std::error::Error;
use std::io::{Read, Write, stdin, stdout};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// What the page waits at least before it fetches a picture anew.
const PERIOD: Duration = Duration::from_millis(500);

/// What a window of 1280×800 shows of the page first; all else lies below, and is fetched when it is seen. A phone's shows it
/// after the first swipe.
const IN_SIGHT: &str = "curves";

/// Windows: a laptop's and a phone's.
const LOOKS: [&str; 2] = ["width=960&dark=0&smooth=0.6&log=0", "width=360&dark=1&smooth=0.6&log=0"];

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

/// An answer without what nobody here looks at.
struct Answer {
    status: u16,
    is_picture: bool,
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

/// How often each panel's answers were more than a reason.
type Panels = Arc<Mutex<Map<String, Value>>>;

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

    async fn connect(&self) -> Result<Connection> {
        let stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        Ok(self.over(stream))
    }

    /// A connection whose small buffer is full soon, so that whoever reads nothing stalls.
    async fn connect_to_stall(&self) -> Result<Connection> {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(8192)?;
        Ok(self.over(socket.connect(self.address.parse()?).await?))
    }

    fn over(&self, stream: TcpStream) -> Connection {
        Connection { place: self.clone(), stream: BufReader::new(stream) }
    }
}

impl Connection {
    async fn send(&mut self, path: &str, more: &str) -> Result<()> {
        let Place { address, token } = &self.place;
        let head = format!(
            "GET {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n{more}\r\n"
        );
        Ok(self.stream.write_all(head.as_bytes()).await?)
    }

    async fn ask(&mut self, path: &str, tag: Option<&str>) -> Result<Answer> {
        let tag = tag.map(|tag| format!("if-none-match: {tag}\r\n")).unwrap_or_default();
        self.send(path, &tag).await?;
        let mut line = String::new();
        self.stream.read_line(&mut line).await?;
        let status = line.split(' ').nth(1).ok_or("no answer")?.parse()?;
        let (is_picture, wait) = (false, Duration::ZERO);
        let mut answer = Answer { status, is_picture, tag: None, wait, body: Vec::new() };
        let mut length = 0;
        loop {
            line.clear();
            self.stream.read_line(&mut line).await?;
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            match name {
                "content-length" => length = value.parse()?,
                "content-type" => answer.is_picture = value == "image/svg+xml",
                "etag" => answer.tag = Some(value.to_string()),
                "glassbox-stale" | "glassbox-fresh" => {
                    answer.wait = Duration::from_millis(value.parse()?);
                }
                _ => {}
            }
        }
        answer.body.resize(if status == 304 { 0 } else { length }, 0);
        self.stream.read_exact(&mut answer.body).await?;
        Ok(answer)
    }
}

/// Reads the stream of events until it ends.
async fn listen(place: Place, got: Arc<Got>) -> Result<()> {
    let mut connection = place.connect().await?;
    connection.send("/api/events", "").await?;
    let mut room = vec![0; 1 << 16];
    loop {
        match connection.stream.get_mut().read(&mut room).await? {
            0 => return Ok(()),
            count => got.bytes.fetch_add(count as u64, Ordering::Relaxed),
        };
    }
}

/// Fetches a picture as the page does: anew where there is something new, and as soon as it is time for it.
async fn watch(place: Place, path: String, got: Arc<Got>) -> Result<()> {
    let mut connection = place.connect().await?;
    let mut tag = None;
    loop {
        let begun = Instant::now();
        let answer = connection.ask(&path, tag.as_deref()).await?;
        if !matches!(answer.status, 200 | 304) {
            return Err(format!("{path}: {}", answer.status).into());
        }
        got.pictures.fetch_add(u64::from(answer.is_picture), Ordering::Relaxed);
        let due = (begun + PERIOD).max(Instant::now() + answer.wait);
        tag = answer.tag;
        sleep_until(due).await;
    }
}

/// Opens every panel, twenty a second, again and again, and counts the answers that are more than a reason.
async fn open_panels(place: Place, run: String, panels: Panels) -> Result<()> {
    let mut connection = place.connect().await?;
    let base = format!("/api/runs/{run}");
    let pictures = Picture::ALL.map(Picture::name);
    let pictures =
        pictures.map(|name| (name, format!("/api/pictures/{name}?runs={run}&width=900")));
    let network = NETWORK.map(|name| (name, format!("{base}/network{name}")));
    loop {
        for (name, path) in pictures.iter().chain([&("run", base.clone())]).chain(&network) {
            sleep(PAUSE).await;
            let answer = connection.ask(path, None).await?;
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

/// Looks on, as so many, at the dashboard that a link leads to, for ever. What they got is in `gots` and `panels`.
async fn view(
    link: &str,
    gots: &[Arc<Got>],
    stalled: usize,
    panels: Option<&Panels>,
) -> Result<()> {
    let place = Place::of(link)?;
    let runs = place.connect().await?.ask("/api/runs", None).await?.body;
    let runs: Value = serde_json::from_slice(&runs)?;
    let run = runs["runs"][0]["id"].as_str().ok_or("no run")?.to_string();
    let mut viewers = JoinSet::new();
    for (got, look) in gots.iter().zip(LOOKS.into_iter().cycle()) {
        viewers.spawn(listen(place.clone(), Arc::clone(got)));
        let path = format!("/api/pictures/{IN_SIGHT}?runs={run}&{look}");
        viewers.spawn(watch(place.clone(), path, Arc::clone(got)));
    }
    let mut silent = Vec::new();
    for _ in 0..stalled {
        let mut connection = place.connect_to_stall().await?;
        connection.send("/api/events", "").await?;
        silent.push(connection);
    }
    if let Some(panels) = panels {
        viewers.spawn(open_panels(place, run, Arc::clone(panels)));
    }
    match viewers.join_next().await {
        Some(ended) => ended?.and(Err("a stream ended".into())),
        None => Err("nobody looks on".into()),
    }
}

/// What the viewers got.
fn told(gots: &[Arc<Got>], panels: &Panels) -> Result<Value> {
    let counts = |what: fn(&Got) -> &AtomicU64| {
        gots.iter().map(|got| what(got).load(Ordering::Relaxed)).collect::<Vec<u64>>()
    };
    let [bytes, pictures] = [counts(|got| &got.bytes), counts(|got| &got.pictures)];
    if bytes.iter().chain(&pictures).any(|&count| count == 0) {
        return Err(format!("a viewer got nothing: bytes {bytes:?}, pictures {pictures:?}").into());
    }
    let [bytes, pictures] = [bytes, pictures].map(|counts| counts.iter().sum::<u64>());
    Ok(json!({ "bytes": bytes, "pictures": pictures, "panels": *panels.lock().unwrap() }))
}

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [lively, stalled, ..] = &words[..] else {
        return Err("viewers LIVELY STALLED [panels]".into());
    };
    let [lively, stalled] = [lively.parse::<usize>()?, stalled.parse()?];
    let gots: Vec<Arc<Got>> = (0..lively).map(|_| Arc::default()).collect();
    let panels = Panels::default();
    let opens_panels = words.get(2).map(|_| &panels);
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let mut link = String::new();
    if stdin().read_line(&mut link)? == 0 {
        return Ok(());
    }
    let (tell, over) = oneshot::channel();
    std::thread::spawn(move || {
        _ = stdin().read_to_end(&mut Vec::new());
        _ = tell.send(());
    });
    runtime.block_on(async {
        tokio::select! {
            ended = view(&link, &gots, stalled, opens_panels) => ended,
            _ = over => Ok(()),
        }
    })?;
    writeln!(stdout(), "{}", told(&gots, &panels)?)?;
    Ok(())
}
