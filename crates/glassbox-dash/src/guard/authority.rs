//! The name and the port by which a request calls us.

use crate::error::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A host and a port, as `Host` and `Origin` have them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Authority {
    host: Host,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Address(IpAddr),
    /// In lower case.
    Name(String),
}

/// The names we answer to.
#[derive(Clone, Debug)]
pub(crate) struct Hosts {
    bound: Host,
    behind: Vec<Host>,
}

impl Authority {
    /// `name`, `name:port`, `1.2.3.4:port`, `[::1]:port`, and nothing else.
    pub fn parse(text: &str) -> Option<Authority> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => rest.split_once(']').map(|(host, port)| (host, Some(port)))?,
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let is_v6 = text.starts_with('[');
        let port = match port {
            None => None,
            Some("") if is_v6 => None,
            Some(port) => Some(digits(if is_v6 { port.strip_prefix(':')? } else { port })?),
        };
        let host = match is_v6 {
            true => Host::Address(host.parse::<Ipv6Addr>().ok()?.into()),
            false => Host::parse(host)?,
        };
        Some(Authority { host, port })
    }
}

impl Host {
    fn parse(text: &str) -> Option<Host> {
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Some(Host::Address(address.into()));
        }
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
        let is_name = !text.is_empty() && text.len() <= 253 && text.bytes().all(is_name);
        is_name.then(|| Host::Name(text.to_ascii_lowercase()))
    }

    fn is_loopback(&self) -> bool {
        match self {
            Host::Address(address) => address.is_loopback(),
            Host::Name(name) => name == "localhost",
        }
    }

    fn is_any(&self) -> bool {
        matches!(self, Host::Address(address) if address.is_unspecified())
    }
}

impl Hosts {
    /// Those of a server that listens at `bound`, and that proxies show under the names `behind`; an error if one of
    /// them is no name.
    pub fn new(bound: &str, behind: &[String]) -> Result<Hosts, Error> {
        let parse = |name: &str| match name.parse::<Ipv6Addr>() {
            Ok(address) => Ok(Host::Address(address.into())),
            Err(_) => Host::parse(name).ok_or_else(|| Error::Name { name: name.to_string() }),
        };
        let behind = behind.iter().map(|name| parse(name)).collect::<Result<_, _>>()?;
        Ok(Hosts { bound: parse(bound)?, behind })
    }

    /// Whether we answer to it, whatever the port: a tunnel may end at another one. Who listens at every address
    /// answers to every address, as no page of another site has one for its name.
    pub fn has(&self, called: &Authority) -> bool {
        let is_address = matches!(called.host, Host::Address(_));
        called.host.is_loopback()
            || called.host == self.bound && !self.bound.is_any()
            || self.bound.is_any() && is_address
            || self.is_behind(called)
    }

    /// Whether a proxy shows us under that name.
    pub fn is_behind(&self, called: &Authority) -> bool {
        self.behind.contains(&called.host)
    }
}

/// A port: digits, and nothing else.
fn digits(text: &str) -> Option<u16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        let good = ["localhost", "LOCALHOST:1", "127.0.0.1:65535", "[::1]", "[::1]:80", "a-b.c:0"];
        assert!(good.iter().all(|text| Authority::parse(text).is_some()));
        let bad = [
            "",
            ":80",
            "a:",
            "a:b",
            "a:+1",
            "a:65536",
            "a:1:2",
            "::1",
            "[::1",
            "[::1]x",
            "[::1]:",
            "[127.0.0.1]",
            "a b",
            "user@a",
            "a/b",
            "ä",
            "localhost,evil",
            "a\u{0}",
        ];
        for text in bad {
            assert_eq!(Authority::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn we_answer_to_our_names_only() {
        let has = |bound: &str, behind: &[&str], called: &str| {
            let behind: Vec<String> = behind.iter().map(|name| name.to_string()).collect();
            let hosts = Hosts::new(bound, &behind).unwrap();
            hosts.has(&Authority::parse(called).unwrap())
        };
        for ours in ["localhost:1", "Localhost", "127.0.0.1:9", "[::1]:9"] {
            assert!(has("127.0.0.1", &[], ours) && has("0.0.0.0", &[], ours), "{ours}");
        }
        for evil in ["evil.com", "localhost.evil.com", "127.0.0.1.evil.com", "foo.localhost"] {
            assert!(!has("127.0.0.1", &[], evil) && !has("0.0.0.0", &[], evil), "{evil}");
        }
        assert!(has("0.0.0.0", &[], "192.168.1.5:80") && !has("127.0.0.1", &[], "192.168.1.5"));
        assert!(has("gpu-box", &[], "gpu-box:8080") && has("::1", &["lab.org"], "LAB.org"));
        assert!(Hosts::new("no name", &[]).is_err());
    }
}
