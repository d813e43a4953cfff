//! What the tests of the dashboard share: a dashboard of a run that nobody trains, and a client that says what it likes.
#![allow(dead_code)] // Each test file uses its own part of this.

use glassbox::data::LoadOptions;
use glassbox::{Control, EpochRecord, Event};
use glassbox_dash::{Dashboard, Feed, Lent, Options};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A dashboard at a port that the system chose, with a run that is trained in `folder`.
pub struct World {
    pub folder: TempDir,
    pub control: Control,
    pub feed: Feed,
    pub dashboard: Dashboard,
}

/// What a server answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// In lower case, up to the empty line.
    pub head: String,
    pub body: String,
}

impl World {
    pub fn new() -> World {
        World::named("run")
    }

    pub fn named(name: &str) -> World {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join(name);
        std::fs::create_dir_all(&run).unwrap();
        std::fs::write(run.join("events.jsonl"), "").unwrap();
        let dashboard = Dashboard::start(&options(folder.path())).unwrap();
        let control = Control::new();
        let feed = dashboard.live(&run, control.clone(), Lent::default());
        World { folder, control, feed, dashboard }
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        self.dashboard.link().split('/').nth(2).unwrap()
    }

    pub fn port(&self) -> &str {
        self.address().rsplit(':').next().unwrap()
    }

    pub fn token(&self) -> &str {
        self.dashboard.link().rsplit('=').next().unwrap()
    }

    /// Sends bytes, and reads until the server closes.
    pub fn send(&self, bytes: &[u8]) -> Option<Answer> {
        answer(self.address(), bytes)
    }

    /// A request as a script makes it that has the key.
    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "")
    }

    pub fn post(&self, path: &str, json: &str) -> Answer {
        let more = "content-type: application/json\r\n";
        self.request("POST", path, more, json)
    }

    pub fn ask(&self, method: &str, path: &str, headers: &str) -> Answer {
        self.request(method, path, headers, "")
    }

    fn request(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let (address, token, length) = (self.address(), self.token(), body.len());
        let text = format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\
             connection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
        );
        self.send(text.as_bytes()).expect("the server answers")
    }

    /// The id of the run.
    pub fn id(&self) -> String {
        let list = self.get("/api/runs").json();
        list["runs"][0]["id"].as_str().unwrap().to_string()
    }
}

pub fn options(folder: &Path) -> Options {
    Options {
        host: "127.0.0.1".to_string(),
        port: Some(0),
        behind: vec!["lab.example".to_string()],
        folders: vec![folder.to_path_buf()],
        data: LoadOptions { offline: true, ..LoadOptions::default() },
    }
}

pub fn answer(address: &str, bytes: &[u8]) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // A server that has heard enough may close before all is said.
    _ = stream.write_all(bytes);
    let mut found = Vec::new();
    _ = stream.read_to_end(&mut found);
    Answer::parse(&String::from_utf8_lossy(&found))
}

impl Answer {
    fn parse(text: &str) -> Option<Answer> {
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some(Answer { status, head: head.to_lowercase(), body: body.to_string() })
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// An open stream of events.
pub struct Stream {
    stream: TcpStream,
    text: String,
}

/// An event of a stream.
#[derive(Clone, Debug, Default)]
pub struct Message {
    pub event: String,
    pub id: String,
    pub data: String,
}

impl Stream {
    pub fn open(world: &World, headers: &str) -> Stream {
        Stream::open_at(world, "/api/events", headers)
    }

    pub fn open_at(world: &World, path: &str, headers: &str) -> Stream {
        let mut stream = TcpStream::connect(world.address()).unwrap();
        let (address, token) = (world.address(), world.token());
        let text = format!(
            "GET {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n{headers}\r\n"
        );
        stream.write_all(text.as_bytes()).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        Stream { stream, text: String::new() }
    }

    /// What comes until `until` says that it is enough, or 20 seconds are over.
    pub fn read(&mut self, mut until: impl FnMut(&Message) -> bool) -> Vec<Message> {
        let (begun, mut found) = (Instant::now(), Vec::new());
        while begun.elapsed() < Duration::from_secs(20) {
            while let Some(message) = self.next() {
                found.push(message);
                if until(&found[found.len() - 1]) {
                    return found;
                }
            }
            let mut bytes = [0; 65536];
            match self.stream.read(&mut bytes) {
                Ok(0) => return found,
                Ok(count) => self.text += &String::from_utf8_lossy(&bytes[..count]),
                Err(_) => {}
            }
        }
        panic!("nothing more came: {found:?}");
    }

    fn next(&mut self) -> Option<Message> {
        loop {
            // Chunks of the transfer have their lengths between them.
            let at = self.text.find("\n\n")?;
            let block: String = self.text.drain(..at + 2).collect();
            let mut message = Message::default();
            for line in block.lines() {
                match line.split_once(": ") {
                    Some(("event", text)) => message.event = text.to_string(),
                    Some(("id", text)) => message.id = text.to_string(),
                    Some(("data", text)) => message.data = text.to_string(),
                    _ => {}
                }
            }
            if !message.event.is_empty() {
                return Some(message);
            }
        }
    }
}

impl Message {
    /// The events of a batch.
    pub fn events(&self) -> Vec<Value> {
        let data: Value = serde_json::from_str(&self.data).unwrap();
        data["events"].as_array().cloned().unwrap_or_default()
    }
}

pub fn started(step: u64) -> Event {
    Event::Started {
        network: "784-128-relu-10".to_string(),
        parameters: 101_770,
        samples: 6400,
        steps_per_epoch: 100,
        steps: 1000,
        epochs: 10,
        step,
        untrained: Some([2.3, 2.303]),
    }
}

pub fn step(step: u64) -> Event {
    Event::Step {
        step,
        epoch: 1 + (step / 100) as u32,
        loss: 2.0 / (1.0 + step as f64 / 50.0),
        epoch_loss: 1.0,
        epoch_accuracy: Some(0.5),
        rate: 0.1,
        seconds: step as f64 / 1000.0,
    }
}

pub fn epoch(epoch: u32) -> Event {
    Event::Epoch(EpochRecord {
        epoch,
        step: 100 * u64::from(epoch),
        train_loss: 0.5,
        train_accuracy: Some(0.8),
        validation_loss: Some(0.6),
        validation_accuracy: Some(0.79),
        seconds: 0.1,
    })
}

/// Does something that must end although others do nothing: what waits for them would wait for ever.
pub fn ends(what: &str, work: impl FnOnce() + Send + 'static) {
    let (say, heard) = std::sync::mpsc::channel();
    let work = std::thread::spawn(move || {
        work();
        _ = say.send(());
    });
    if heard.recv_timeout(Duration::from_secs(100)) == Err(RecvTimeoutError::Timeout) {
        panic!("{what} does not end");
    }
    work.join().unwrap();
}
