//! Requests that are none, names that are scripts, clients that dawdle: nothing changes, and the server still answers.

mod common;

use common::{Stream, World, answer, epoch, started, step};
use glassbox::cpu::reference::philox::{Philox, Purpose};
use glassbox::{Event, Sink};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

/// Numbers that are the same each time.
struct Dice(Philox, u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.1 += 1;
        self.0.below(self.1, end as u32) as usize
    }

    fn one<'a>(&mut self, of: &[&'a [u8]]) -> &'a [u8] {
        of[self.below(of.len())]
    }
}

const METHODS: &[&[u8]] = &[
    b"GET",
    b"POST",
    b"HEAD",
    b"get",
    b"",
    b"PRI",
    b"CONNECT",
    b"OPTIONS",
    b"\x16\x03\x01",
    b"G\0ET",
    b"DELETE",
];
const PATHS: &[&[u8]] = &[
    b"/",
    b"/api/runs",
    b"/api/events",
    b"*",
    b"",
    b"//",
    b"/\xff",
    b"/%",
    b"/%zz",
    b"/%00",
    b"/../../etc/passwd",
    b"/api/runs/%ff/control",
    b"http://",
    b"http://[",
    b"/?token=%00",
    b"/api/pictures/curves?width=-1&runs=",
    b"/api/pictures/..?runs=x",
    b"/ /",
    b"?",
    b"/api/events?after=%00",
];
const VERSIONS: &[&[u8]] = &[
    b"HTTP/1.1",
    b"HTTP/1.0",
    b"HTTP/0.9",
    b"HTTP/2.0",
    b"HTTP/9",
    b"",
    b"http/1.1",
    b"HTTP/1.1 x",
];
const HEADERS: &[&[u8]] = &[
    b"host: localhost",
    b"host:",
    b"host: localhost\r\nhost: localhost",
    b"host: \xff",
    b"HOST: [::1",
    b"no colon",
    b": no name",
    b"content-length: -1",
    b"content-length: 99999999999999999999",
    b"content-length: 5",
    b"content-length: 5\r\ncontent-length: 6",
    b"transfer-encoding: chunked",
    b"transfer-encoding: gzip, chunked",
    b"transfer-encoding: chunked\r\ncontent-length: 3",
    b"expect: 100-continue",
    b"upgrade: h2c\r\nconnection: upgrade",
    b"cookie: glassbox=;;;===",
    b"authorization: Bearer",
    b"authorization: \0",
    b" folded",
    b"origin: null",
    b"content-type: application/json",
    b"last-event-id: 9.9",
    b"range: bytes=0-",
    b"x: \x01\x02",
    b"sec-fetch-site: cross-site",
];
const BODIES: &[&[u8]] = &[
    b"",
    b"{\"do\":\"stop\"}",
    b"{\"do\":\"pause\"}",
    b"5\r\nhello\r\n0\r\n\r\n",
    b"ffffffffffffffff\r\n",
    b"-1\r\n",
    b"\0\0\0\0",
    b"[[[[[[[[[[[[",
    b"GET / HTTP/1.1\r\n\r\n",
];

/// A request of pieces of which each may be wrong, as a whole or in its bytes. The right key is not among them.
fn malformed(dice: &mut Dice) -> Vec<u8> {
    let mut bytes =
        [dice.one(METHODS), b" ", dice.one(PATHS), b" ", dice.one(VERSIONS), b"\r\n"].concat();
    for _ in 0..dice.below(6) {
        bytes.extend(dice.one(HEADERS));
        bytes.extend(dice.one(&[b"\r\n", b"\r\n", b"\n", b"\r"]));
    }
    if dice.below(50) == 0 {
        bytes.extend(format!("x: {}\r\n", "a".repeat(20_000)).bytes());
    }
    if dice.below(50) == 0 {
        (0..200).for_each(|n| bytes.extend(format!("x{n}: 1\r\n").bytes()));
    }
    bytes.extend(b"\r\n");
    bytes.extend(dice.one(BODIES));
    for _ in 0..dice.below(4) {
        let at = dice.below(bytes.len());
        bytes[at] = dice.below(256) as u8;
    }
    bytes.truncate(bytes.len() - dice.below(3).min(bytes.len()));
    bytes
}

#[test]
fn ten_thousand_malformed_requests_change_nothing() {
    let mut world = World::new();
    world.feed.event(&started(0)).unwrap();
    let id = world.id();
    let before = format!("{:?}", world.control);
    let mut dice = Dice(Philox::new(1, Purpose::Shuffle, 0, 0), 0);
    let mut answered = 0;
    for round in 0..10_000u64 {
        let bytes = malformed(&mut dice);
        let mut stream = TcpStream::connect(world.address()).unwrap();
        _ = stream.write_all(&bytes);
        _ = stream.shutdown(Shutdown::Write);
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut found = Vec::new();
        _ = stream.read_to_end(&mut found);
        answered += u32::from(!found.is_empty());
        assert!(
            !found.starts_with(b"HTTP/1.1 2") && !found.starts_with(b"HTTP/1.1 3"),
            "{}",
            String::from_utf8_lossy(&bytes)
        );
        if round % 1000 == 0 {
            world.feed.event(&step(1 + round / 1000)).unwrap();
            assert_eq!(world.get("/api/runs").status, 200, "after {round}");
        }
    }
    assert!(answered > 1000, "{answered}");
    Stream::open(&world, "").read(|m| m.events().iter().any(|event| event["step"] == 10));
    assert_eq!(format!("{:?}", world.control), before);
    assert_eq!(world.get(&format!("/api/runs/{id}")).json()["facts"]["step"], 10);
}

#[test]
fn large_requests_are_refused() {
    let world = World::new();
    let (address, token) = (world.address(), world.token());
    let head = format!("host: {address}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n");
    let send = |text: String| answer(address, text.as_bytes()).map_or(0, |answer| answer.status);
    let long = "a".repeat(40_000);
    assert_eq!(send(format!("GET /?{long} HTTP/1.1\r\n{head}\r\n")) / 100, 4);
    assert_eq!(send(format!("GET / HTTP/1.1\r\n{head}x: {long}\r\n\r\n")), 431);
    let many: String = (0..100).map(|n| format!("x{n}: 1\r\n")).collect();
    assert_eq!(send(format!("GET / HTTP/1.1\r\n{head}{many}\r\n")), 431);
    let path = format!("/api/runs/{}/control", world.id());
    let json = "content-type: application/json\r\n";
    let large = format!("{{\"do\":\"pause\",\"x\":\"{}\"}}", "a".repeat(70_000));
    assert_eq!(
        world.ask("POST", &path, &format!("{json}content-length: 99999999999\r\n")).status / 100,
        4
    );
    assert_eq!(world.post(&path, &large).status, 413);
    assert_eq!(world.get("/api/runs").status, 200);
}

#[test]
fn clients_that_dawdle_lose_their_place() {
    let world = World::new();
    // As many as there are places, each with half a request.
    let mut slow: Vec<TcpStream> = (0..64)
        .map(|_| {
            let mut stream = TcpStream::connect(world.address()).unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\nhost: loc").unwrap();
            stream
        })
        .collect();
    std::thread::sleep(Duration::from_millis(300));
    let refused = answer(world.address(), b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n");
    assert_eq!(
        refused.map(|answer| answer.status),
        Some(503),
        "there is no place, and that is said"
    );
    let begun = Instant::now();
    let mut drip = 0;
    loop {
        // A byte now and then does not help.
        drip += 1;
        slow.iter_mut().for_each(|stream| _ = stream.write_all(b"a"));
        let answer = answer(
            world.address(),
            b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
        );
        if answer.is_some_and(|answer| answer.status == 403) {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(40), "they still hold their places");
        std::thread::sleep(Duration::from_millis(500));
    }
    assert!(drip > 2 && begun.elapsed() > Duration::from_secs(5), "{:?}", begun.elapsed());
    // And whoever looks meanwhile keeps looking.
    assert_eq!(world.get("/api/runs").status, 200);
}

#[test]
fn names_that_are_scripts_stay_names() {
    let evil = "<script>alert(1)<!script>\"'&<img src=x onerror=alert(2)>";
    let mut world = World::named(evil);
    let network = format!("784-{evil}-10");
    if let Event::Started { samples, steps_per_epoch, steps, epochs, step, untrained, .. } =
        started(0)
    {
        let started = Event::Started {
            network,
            parameters: 1,
            samples,
            steps_per_epoch,
            steps,
            epochs,
            step,
            untrained,
        };
        world.feed.event(&started).unwrap();
    }
    (1..=100).for_each(|at| world.feed.event(&step(at)).unwrap());
    world.feed.event(&epoch(1)).unwrap();
    let warning = evil.to_string();
    let (code, what, cause, cure) = (warning.clone(), warning.clone(), warning.clone(), warning);
    world.feed.event(&Event::Warning { step: 1, code, what, cause, cure }).unwrap();
    Stream::open(&world, "").read(|m| m.events().iter().any(|event| event["event"] == "warning"));
    let id = world.id();
    assert!(id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    let list = world.get("/api/runs");
    assert_eq!(list.json()["runs"][0]["name"], evil);
    assert!(list.head.contains("content-type: application/json"));
    for subject in ["curves", "rate", "throughput"] {
        let picture = world.get(&format!("/api/pictures/{subject}?runs={id}"));
        assert!(picture.head.contains("content-type: image/svg+xml"), "{picture:?}");
        let svg = picture.body.to_lowercase();
        assert!(
            svg.contains("&lt;script") && !svg.contains("<script") && !svg.contains("<img"),
            "{svg}"
        );
    }
    for path in [
        "/api/pictures/%3Cscript%3E",
        "/api/runs/%3Cscript%3E",
        "/page/%3Cscript%3E",
        "/%3Cscript%3E",
    ] {
        let answer = world.get(path);
        assert!(answer.status == 404 || answer.status == 400, "{path}: {answer:?}");
        let is_html = answer.head.contains("text/html");
        assert!(!is_html || !answer.body.contains("<script>"), "{path}: {answer:?}");
        assert!(answer.head.contains("nosniff"), "{path}: {answer:?}");
    }
}
