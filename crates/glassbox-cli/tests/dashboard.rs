//! `glassbox train --dashboard` and `glassbox dashboard`: a link on stderr, the same bits, and clear words where a port is
//! taken. What the page does is tested in a browser.

mod common;

use common::{command, command_with_files, few_digits, folder, glassbox, with};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// The link in a line of stderr.
fn link(line: &str) -> Option<String> {
    line.split_whitespace().find(|word| word.starts_with("http://")).map(str::to_string)
}

/// Reads stderr up to the link.
fn link_of(child: &mut Child) -> (String, BufReader<std::process::ChildStderr>) {
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    loop {
        line.clear();
        assert!(stderr.read_line(&mut line).unwrap() > 0, "there is no link");
        if let Some(link) = link(&line) {
            return (link, stderr);
        }
    }
}

/// What the server answers to somebody with the key.
fn ask(link: &str, method: &str, path: &str, body: &str) -> String {
    let address = link.split('/').nth(2).unwrap();
    let token = link.rsplit('=').next().unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text.split_once("\r\n\r\n").expect("it answers").1.to_string()
}

#[test]
fn a_dashboard_changes_no_bit() {
    let folder = folder();
    let train = ["train", "--data", few_digits(), "--model", "784-64-relu-10", "--threads", "1"];
    let train = [&train[..], &["--epochs", "100000", "--json", "--quiet", "--out"]].concat();
    let words = [&train[..], &["runs/shown", "--dashboard", "--port", "0"]].concat();
    let mut child = command(folder.path(), &words)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (link, mut stderr) = link_of(&mut child);
    // Somebody looks, pauses, makes steps, lets it go on and stops it.
    let list: serde_json::Value =
        serde_json::from_str(&ask(&link, "GET", "/api/runs", "")).expect("a list");
    let run = &list["runs"][0];
    let found = (run["name"].as_str(), run["live"].as_bool());
    assert_eq!(found, (Some("shown"), Some(true)), "as soon as there is a link");
    let path = format!("/api/runs/{}/control", run["id"].as_str().unwrap());
    let wish = |wish: &str| ask(&link, "POST", &path, &format!("{{\"do\":\"{wish}\"}}"));
    let until = |wished: &str, phase: &str| {
        let phase = format!("\"phase\":\"{phase}\"");
        (0..10_000).any(|_| wish(wished).contains(&phase))
    };
    assert!(until("resume", "running") && until("pause", "paused"));
    wish("step");
    wish("step");
    // While it makes a step it runs: it rests again before it is to go on.
    assert!(until("pause", "paused") && until("resume", "running"));
    wish("stop");
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{rest}");
    assert!(rest.contains("glassbox dashboard runs/shown"), "{rest}");
    let shown: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one object");
    // The bits are those of a run of as many steps that nobody looked at.
    let steps = shown["steps"].to_string();
    let plain = [&train[..], &["runs/plain", "--max-steps", &steps]].concat();
    let plain = glassbox(folder.path(), &plain).ok().json();
    assert_eq!(shown["model_sha256"], plain["model_sha256"]);
    let log = std::fs::read_to_string(folder.path().join("runs/shown/events.jsonl")).unwrap();
    let events = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let control = events.filter(|event| event["event"] == "control").count();
    assert!(control >= 2, "paused and resumed: {control}");
}

#[test]
fn a_port_that_is_taken_is_said_before_there_is_a_run() {
    let folder = folder();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let words = with(&["--dashboard", "--port", &port]);
    let failed = glassbox(folder.path(), &words).hints(&[1]);
    assert!(failed.stderr.contains(&port), "{failed:?}");
    assert!(!folder.path().join("runs").exists());
    glassbox(folder.path(), &["dashboard", ".", "--port", &port]).hints(&[1]);
    glassbox(folder.path(), &["dashboard", "no/such/folder"]).hints(&[1]);
    glassbox(folder.path(), &["dashboard", ".", "--host", "not a name"]).hints(&[1]);
    for words in [&["--port", "9000"][..], &["--host", "0.0.0.0"], &["--behind", "a.org"]] {
        glassbox(folder.path(), &with(words)).hints(&[2]);
    }
    glassbox(folder.path(), &with(&["--stay"])).fails(&[2]);
    glassbox(folder.path(), &with(&["--dashboard", "--seeds", "1..2"])).fails(&[2]);
}

#[cfg(unix)]
#[test]
fn a_dashboard_ends_at_once_when_it_is_asked_to() {
    let folder = folder();
    let words = with(&["--out", "runs/one"]);
    glassbox(folder.path(), &words).ok();
    let mut child = command(folder.path(), &["dashboard"]).stderr(Stdio::piped()).spawn().unwrap();
    let (link, _stderr) = link_of(&mut child);
    assert!(ask(&link, "GET", "/api/runs", "").contains("\"name\":\"one\""));
    assert!(end(&mut child).success());
}

/// The training has files to open, and fails without them.
#[cfg(unix)]
#[test]
fn viewers_leave_files_to_the_training() {
    let folder = folder();
    for limit in [30, 60] {
        let out = format!("runs/{limit}");
        let words = ["train", "--data", few_digits(), "--epochs", "300", "--out", &out];
        let words = [&words[..], &["--dashboard", "--port", "0", "--json", "--quiet"]].concat();
        let mut child = command_with_files(limit, folder.path(), &words)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (link, mut stderr) = link_of(&mut child);
        let address = link.split('/').nth(2).unwrap();
        let silent: Vec<_> = (0..100).map_while(|_| TcpStream::connect(address).ok()).collect();
        let mut said = String::new();
        stderr.read_to_string(&mut said).unwrap();
        assert!(child.wait().unwrap().success(), "{limit}, {} connected: {said}", silent.len());
        assert!(folder.path().join(&out).join("model.safetensors").exists());
        assert_eq!(silent.len(), 100, "they came too late");
    }
}

/// Whoever outgrows the table of descriptors waits.
#[cfg(target_os = "linux")]
#[test]
fn the_table_of_descriptors_is_large_before_anybody_comes() {
    let folder = folder();
    let words = ["dashboard", "."];
    let mut child = command(folder.path(), &words).stderr(Stdio::piped()).spawn().unwrap();
    let (link, _stderr) = link_of(&mut child);
    ask(&link, "GET", "/api/runs", "");
    let read =
        |file: &str| std::fs::read_to_string(format!("/proc/{}/{file}", child.id())).unwrap();
    let (status, limits) = (read("status"), read("limits"));
    assert!(end(&mut child).success());
    let number = |text: &str, name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().parse::<u32>().unwrap()
    };
    let (size, limit) = (number(&status, "FDSize:"), number(&limits, "Max open files"));
    assert!(size >= 1024 || limit < 1024, "{size} of {limit}");
}

/// Asks a process to end, which it does soon.
#[cfg(unix)]
fn end(child: &mut Child) -> ExitStatus {
    let begun = Instant::now();
    let id = child.id().to_string();
    std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap();
    let status = child.wait().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    status
}

#[cfg(unix)]
#[test]
fn a_dashboard_stays_also_where_the_training_failed() {
    let folder = folder();
    let sick = ["train", "--data", few_digits(), "--lr", "1e30", "--dashboard", "--port", "0"];
    let sick = [&sick[..], &["--stay", "--quiet"]].concat();
    let mut child = command(folder.path(), &sick).stderr(Stdio::piped()).spawn().unwrap();
    let (link, mut stderr) = link_of(&mut child);
    let mut said = String::new();
    while !said.contains("until Ctrl-C") {
        assert!(stderr.read_line(&mut said).unwrap() > 0, "it did not stay: {said}");
    }
    assert!(said.contains("error: ") && said.contains("hint: "), "{said}");
    let list = ask(&link, "GET", "/api/runs", "");
    assert!(list.contains("\"phase\":\"over\"") && list.contains("\"ending\":null"), "{list}");
    assert_eq!(end(&mut child).code(), Some(1));
    stderr.read_to_string(&mut said).unwrap();
    assert_eq!(said.matches("error: ").count(), 1, "it is said once: {said}");
}
