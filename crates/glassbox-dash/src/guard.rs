//! Who may come in: the names a request may call us by, where it may come from, and the key it has to have.
//!
//! A dashboard at a loopback address can be reached by every page that the same browser shows. A page of another site
//! that gets its own name to point here (DNS rebinding) is found out by `Host`, one that sends requests across sites by
//! `Origin`; neither has the key.

mod authority;
mod middleware;

pub(crate) use authority::Hosts;
pub(crate) use middleware::guard;

use crate::token::Token;
use authority::Authority;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, Uri, header};

/// What is asked of every request.
pub(crate) struct Rules {
    pub token: Token,
    pub hosts: Hosts,
    /// The name of the cookie that holds the key. Cookies are shared between ports, and two tunnels may lead to the same
    /// port of two machines: so each dashboard has its own.
    pub cookie: String,
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It may come in.
    Pass,
    /// It has the key in its link: it gets the cookie, and a link without.
    Welcome,
    /// It came from a link elsewhere, so that the browser kept the cookie back: it is to ask again.
    Again,
    /// It may not, and why.
    Refuse(StatusCode, &'static str),
}

const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

const NO_HOST: &str = "The request does not say, once, by which name it calls this dashboard.";
const OTHER_HOST: &str = "This dashboard does not answer to that name. Open it at localhost or 127.0.0.1, \
    or start it with --behind NAME if a proxy shows it under a name of its own.";
const OTHER_ORIGIN: &str = "Requests from pages of other sites are refused.";
const NO_ORIGIN: &str =
    "The request has the key of a browser, and does not say which page it is from.";
const NO_KEY: &str = "This dashboard has a key. Open the link that glassbox printed in its terminal; \
    after a new start there is a new one.";

impl Rules {
    pub fn verdict(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Verdict {
        let Some(host) = one(headers, &header::HOST).and_then(Authority::parse) else {
            return Verdict::Refuse(StatusCode::BAD_REQUEST, NO_HOST);
        };
        // What a request line with a whole address names has to be the same.
        let named = uri.authority().map(|named| Authority::parse(named.as_str()));
        if !self.hosts.has(&host) || named.is_some_and(|named| named.as_ref() != Some(&host)) {
            return Verdict::Refuse(StatusCode::MISDIRECTED_REQUEST, OTHER_HOST);
        }
        let is_entry = method == Method::GET && uri.path() == "/";
        let is_link = is_entry && text(headers, &MODE) == Some("navigate");
        if !self.is_from_here(headers, &host) || is_cross_site(headers) && !is_link {
            return Verdict::Refuse(StatusCode::FORBIDDEN, OTHER_ORIGIN);
        }
        match self.key(uri, headers) {
            Key::InLink if is_entry => Verdict::Welcome,
            // A page of ours says where it comes from whenever it changes something.
            Key::InCookie if !method.is_safe() && !headers.contains_key(header::ORIGIN) => {
                Verdict::Refuse(StatusCode::FORBIDDEN, NO_ORIGIN)
            }
            Key::InCookie | Key::InHeader => Verdict::Pass,
            Key::Missing if is_link && is_cross_site(headers) => Verdict::Again,
            _ => Verdict::Refuse(StatusCode::FORBIDDEN, NO_KEY),
        }
    }

    /// Whether the page that sent the request, if it was a page, is one of ours.
    fn is_from_here(&self, headers: &HeaderMap, host: &Authority) -> bool {
        if !headers.contains_key(header::ORIGIN) {
            return true;
        }
        let origin = one(headers, &header::ORIGIN);
        let origin = origin.and_then(|o| o.strip_prefix("http://").or(o.strip_prefix("https://")));
        let origin = origin.and_then(Authority::parse);
        origin.is_some_and(|origin| origin == *host || self.hosts.is_behind(&origin))
    }

    /// The key, in a link, in a cookie, or in a header as programs have it. A wrong one is none.
    fn key(&self, uri: &Uri, headers: &HeaderMap) -> Key {
        let mut in_link = uri.query().unwrap_or_default().split('&');
        if let Some(token) = in_link.find_map(|pair| pair.strip_prefix("token=")) {
            return if self.token.is(token) { Key::InLink } else { Key::Wrong };
        }
        let bearer = text(headers, &header::AUTHORIZATION);
        // What is of another scheme is for a proxy.
        let bearer = bearer.and_then(|value| value.strip_prefix("Bearer "));
        let cookies =
            headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let pairs = cookies.flat_map(|cookies| cookies.split(';'));
        let ours: Vec<&str> = pairs
            .filter_map(|pair| {
                let (name, value) = pair.trim().split_once('=')?;
                (name == self.cookie).then_some(value)
            })
            .collect();
        match bearer {
            Some(given) if self.token.is(given) => Key::InHeader,
            Some(_) => Key::Wrong,
            None if ours.is_empty() => Key::Missing,
            // Another path or domain may have set one of the same name.
            None if ours.iter().any(|given| self.token.is(given)) => Key::InCookie,
            None => Key::Wrong,
        }
    }
}

#[derive(PartialEq, Eq)]
enum Key {
    Missing,
    Wrong,
    InLink,
    InCookie,
    InHeader,
}

/// Whether the browser says that another site began this.
fn is_cross_site(headers: &HeaderMap) -> bool {
    !matches!(text(headers, &SITE), None | Some("same-origin" | "none"))
}

/// A header's text, if it is there once and is text.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut all = headers.get_all(name).iter();
    let first = all.next()?.to_str().ok()?;
    all.next().is_none().then_some(first)
}

/// A header's text; twice, or no text, is not the same as none.
fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.contains_key(name).then(|| one(headers, name).unwrap_or("?"))
}
