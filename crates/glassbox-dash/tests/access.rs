//! Who may come in: every name, origin, key and method together, and what every answer says.

mod common;

use common::{Answer, World, answer, options};
use glassbox_dash::{Dashboard, Error, Options};
use std::net::TcpListener;

const POLICY: &str = "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; \
    connect-src 'self'; img-src 'self' data: blob:; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// The headers that say all about who we are and who others are.
fn headers(hosts: &[&str], origin: Option<&str>, key: &str) -> String {
    let mut text: String = hosts.iter().map(|host| format!("host: {host}\r\n")).collect();
    if let Some(origin) = origin {
        text += &format!("origin: {origin}\r\n");
    }
    text + key
}

fn request(world: &World, method: &str, path: &str, headers: &str, body: &str) -> Answer {
    let length = body.len();
    let text = format!(
        "{method} {path} HTTP/1.1\r\n{headers}connection: close\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    );
    world.send(text.as_bytes()).expect("every request is answered")
}

#[test]
fn only_our_own_name_origin_and_key_pass() {
    let world = World::new();
    let (port, token, cookie) = (world.port(), world.token(), cookie(&world));
    let (right, wrong) = (token.to_string(), "0".repeat(32));
    let control = format!("/api/runs/{}/control", world.id());
    let named = |name: &str| format!("{name}:{port}");
    let hosts: [(&str, Vec<String>, bool); 9] = [
        ("localhost", vec![named("localhost")], true),
        ("127.0.0.1", vec![named("127.0.0.1")], true),
        ("[::1]", vec![named("[::1]")], true),
        ("through a tunnel", vec!["localhost:9999".to_string()], true),
        ("behind a proxy", vec!["lab.example".to_string()], true),
        ("evil", vec!["evil.example".to_string()], false),
        ("rebinding", vec![named("localhost.evil.example")], false),
        ("empty", vec![String::new()], false),
        ("two", vec![named("localhost"), named("localhost")], false),
    ];
    let methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"];
    let mut passed = 0;
    let mut cases = 0;
    for (what, hosts, is_ours) in &hosts {
        let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
        let same = format!("http://{}", hosts[0]);
        let origins = [
            (None, true),
            (Some(same.as_str()), true),
            (Some("https://evil.example"), false),
            (Some("http://localhost.evil.example"), false),
            (Some("null"), false),
        ];
        for (origin, is_same) in origins {
            for (key, has_key) in [(None, false), (Some(&wrong), false), (Some(&right), true)] {
                for is_cookie in [false, true] {
                    let key = key.map_or(String::new(), |key| match is_cookie {
                        true => format!("cookie: other=1; {cookie}={key}\r\n"),
                        false => format!("authorization: Bearer {key}\r\n"),
                    });
                    let headers = headers(&hosts, origin, &key);
                    for method in methods {
                        let is_get = method == "GET" || method == "HEAD";
                        let (path, body) = match method {
                            "GET" | "HEAD" => ("/api/runs", ""),
                            _ => (control.as_str(), "{\"do\":\"pause\"}"),
                        };
                        world.control.resume();
                        let answer = request(&world, method, path, &headers, body);
                        let has_changed = is_paused(&world);
                        let may = *is_ours && is_same && has_key;
                        // Whoever changes something by cookie is a page, and says which.
                        let is_told = !is_cookie || origin.is_some();
                        let expected = may && (is_get || method == "POST" && is_told);
                        let case = format!("{method} {what} {origin:?} {key:?}");
                        // Nobody trains: the control takes wishes all the same.
                        assert_eq!(answer.status == 200, expected, "{case}: {answer:?}");
                        assert_eq!(has_changed, expected && method == "POST", "{case}");
                        assert!(expected || (400..500).contains(&answer.status), "{case}");
                        assert!(answer.head.contains(POLICY), "{case}: {}", answer.head);
                        assert!(!answer.body.contains(&right) && !answer.head.contains(&right));
                        (cases, passed) = (cases + 1, passed + u32::from(expected));
                    }
                }
            }
        }
    }
    assert_eq!((cases, passed), (9 * 5 * 3 * 2 * 8, 5 * 2 * 2 * 3 - 5));
}

/// Whether somebody wished for a pause: a step is what a control that is paused counts.
fn is_paused(world: &World) -> bool {
    format!("{:?}", world.control).contains("is_paused: true")
}

#[test]
fn the_key_is_once_in_the_link_and_then_in_a_cookie() {
    let world = World::new();
    let (address, token) = (world.address(), world.token());
    let come = |path: &str, more: &str| {
        request(&world, "GET", path, &format!("host: {address}\r\n{more}"), "")
    };
    let welcome = come(&format!("/?token={token}"), "");
    assert_eq!(welcome.status, 303);
    let name = cookie(&world);
    assert!(name.starts_with(&format!("glassbox-{}-", world.port())), "{name}");
    assert_ne!(name.rsplit('-').next(), cookie(&World::new()).rsplit('-').next());
    let cookie = format!("set-cookie: {name}={token}; httponly; samesite=strict");
    assert!(welcome.head.contains(&cookie) && welcome.head.contains("location: ./"), "{welcome:?}");
    assert!(welcome.head.contains("referrer-policy: no-referrer"));
    let cookie = format!("cookie: {name}={token}\r\n");
    let page = come("/", &cookie);
    assert!(page.status == 200 && page.body.contains("<!doctype html>"), "{page:?}");

    // Nowhere else, and no part of it.
    for path in [
        format!("/api/runs?token={token}"),
        format!("/page/main.js?token={token}"),
        "/?token=".to_string(),
        format!("/?token={}", &token[1..]),
        format!("/?token={token}0"),
        format!("/?token={}&token={token}", "0".repeat(32)),
    ] {
        assert_eq!(come(&path, "").status, 403, "{path}");
    }
    // A wrong one in the link is not made good by a cookie, nor one cookie by another.
    assert_eq!(come(&format!("/?token={}", "0".repeat(32)), &cookie).status, 403);
    let other = format!("cookie: glassbox-1={token}\r\n");
    assert_eq!(come("/", &other).status, 403);

    // A link on a page elsewhere: the browser keeps the cookie back once.
    let link = "sec-fetch-site: cross-site\r\nsec-fetch-mode: navigate\r\n";
    let again = come("/", link);
    assert!(again.status == 200 && again.body.contains("http-equiv=refresh"), "{again:?}");
    assert_eq!(come(&format!("/?token={token}"), link).status, 303);
    let fetched = "sec-fetch-site: cross-site\r\nsec-fetch-mode: no-cors\r\n";
    assert_eq!(come("/", &format!("{cookie}{fetched}")).status, 403);
    assert_eq!(come("/api/runs", &format!("{cookie}{link}")).status, 403);
    let neighbour = "sec-fetch-site: same-site\r\nsec-fetch-mode: cors\r\n";
    assert_eq!(come("/api/runs", &format!("{cookie}{neighbour}")).status, 403, "another port");
}

/// The name of the cookie, as the link sets it.
fn cookie(world: &World) -> String {
    let headers = format!("host: {}\r\n", world.address());
    let welcome = request(world, "GET", &format!("/?token={}", world.token()), &headers, "");
    let (_, rest) = welcome.head.split_once("set-cookie: ").expect("there is a cookie");
    rest.split('=').next().unwrap().to_string()
}

#[test]
fn origins_and_cookies_in_every_order() {
    let world = World::new();
    let (address, token, name) = (world.address(), world.token(), cookie(&world));
    let path = format!("/api/runs/{}/control", world.id());
    let pause = |more: &str| {
        let headers = format!("host: {address}\r\n{more}");
        request(&world, "POST", &path, &headers, "{\"do\":\"pause\"}").status
    };
    let ours = format!("origin: http://{address}\r\n");
    let (right, wrong) = (format!("{name}={token}"), format!("{name}={}", "0".repeat(32)));
    for (cookies, status) in [
        (format!("cookie: {right}\r\n"), 200),
        (format!("cookie: a=1; {right}; b=2\r\n"), 200),
        (format!("cookie: {wrong}; {right}\r\n"), 200),
        (format!("cookie: {right}; {wrong}\r\n"), 200),
        (format!("cookie: {wrong}\r\ncookie: {right}\r\n"), 200),
        (format!("cookie: {wrong}\r\n"), 403),
        (format!("cookie: x{right}\r\n"), 403),
        (format!("cookie: {right}\r\nauthorization: Basic YTpi\r\n"), 200),
        ("authorization: Basic YTpi\r\n".to_string(), 403),
        (format!("cookie: {right}\r\nauthorization: Bearer wrong\r\n"), 403),
        (format!("authorization: Basic {token}\r\n"), 403),
    ] {
        assert_eq!(pause(&format!("{ours}{cookies}")), status, "{cookies}");
    }
    let cookie = format!("cookie: {right}\r\n");
    for (origins, status) in [
        (String::new(), 403),
        (ours.clone(), 200),
        // A proxy that encrypts shows the same host and port.
        (format!("origin: https://{address}\r\n"), 200),
        ("origin: https://lab.example\r\n".to_string(), 200),
        ("origin: http://127.0.0.1:1\r\n".to_string(), 403),
        ("origin: http://127.0.0.1\r\n".to_string(), 403),
        (format!("origin: ftp://{address}\r\n"), 403),
        (format!("origin: {address}\r\n"), 403),
        (format!("{ours}{ours}"), 403),
        (format!("{ours}origin: http://evil.example\r\n"), 403),
        (format!("origin: http://evil.example\r\n{ours}"), 403),
    ] {
        assert_eq!(pause(&format!("{origins}{cookie}")), status, "{origins}");
    }
    // A program that has the key is no page.
    assert_eq!(pause(&format!("authorization: Bearer {token}\r\n")), 200);
}

#[test]
fn a_request_line_with_another_address_does_not_pass() {
    let world = World::new();
    let (address, token) = (world.address(), world.token());
    let ask = |line: &str| {
        let text = format!(
            "{line}\r\nhost: {address}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
        );
        world.send(text.as_bytes()).map(|answer| answer.status)
    };
    assert_eq!(ask(&format!("GET http://{address}/api/runs HTTP/1.1")), Some(200));
    assert_eq!(ask("GET http://evil.example/api/runs HTTP/1.1"), Some(421));
    assert_eq!(ask("GET http://user@evil.example/api/runs HTTP/1.1"), Some(421));
    assert_ne!(ask("CONNECT evil.example:80 HTTP/1.1"), Some(200));
    assert_eq!(ask("GET /api/runs HTTP/1.0"), Some(200));
}

#[test]
fn there_is_no_way_to_files() {
    let world = World::new();
    std::fs::write(world.folder.path().join("secret.txt"), "secret").unwrap();
    for path in [
        "/page/../secret.txt",
        "/page/..%2fsecret.txt",
        "/page/%2e%2e/secret.txt",
        "/secret.txt",
        "/page/..%5csecret.txt",
        "/page//etc/passwd",
        "/page/%00",
        "/page/index.html",
        "/..",
        "/api/runs/..%2f..%2fsecret.txt",
        "/api/runs/run",
        "/api/runs/%2e",
        "/page/",
    ] {
        let answer = world.get(path);
        assert_eq!(answer.status, 404, "{path}: {answer:?}");
        assert!(!answer.body.contains("secret") && answer.head.contains(POLICY), "{path}");
    }
}

#[test]
fn ports_and_hosts() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = Some(taken.local_addr().unwrap().port());
    let start = |options: Options| Dashboard::start(&options);
    let error = start(Options { port, ..options(folder.path()) }).err().unwrap();
    assert!(matches!(error, Error::Listen { .. }) && error.to_string().contains("hint: another"));
    // Two without a port stand side by side.
    let free = || start(Options { port: None, ..options(folder.path()) }).unwrap();
    let (one, other) = (free(), free());
    assert_ne!(one.link(), other.link());
    let error = start(Options { host: "no such name".into(), ..options(folder.path()) });
    assert!(error.err().unwrap().to_string().contains("hint"));
    let error = start(Options { folders: vec!["no/such/folder".into()], ..options(folder.path()) });
    assert!(error.err().unwrap().to_string().contains("hint"));

    // Who listens everywhere is asked by address, has the same key, and answers to no other name.
    let everywhere = start(Options { host: "0.0.0.0".into(), ..options(folder.path()) }).unwrap();
    let link = everywhere.link().to_string();
    let port = link.split('/').nth(2).unwrap().rsplit(':').next().unwrap().to_string();
    let token = link.rsplit('=').next().unwrap();
    assert!(link.starts_with("http://localhost:"), "{link}");
    let ask = |host: &str, key: &str| {
        let text = format!(
            "GET /api/runs HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\r\n"
        );
        answer(&format!("127.0.0.1:{port}"), text.as_bytes()).unwrap().status
    };
    assert_eq!(ask("192.168.7.7:1234", token), 200);
    assert_eq!(ask("192.168.7.7:1234", "wrong"), 403);
    assert_eq!(ask("evil.example", token), 421);
}
