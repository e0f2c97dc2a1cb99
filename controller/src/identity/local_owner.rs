//! The local owner: whoever sits at this machine is served without a key, when the operator chose so.
//!
//! A page of the wide web can make this machine's browser call us. It cannot choose the `Host` (a rebound DNS name is
//! another host), and it cannot hide its `Origin` from a request that changes anything. So both are checked, and
//! neither is ever widened by the settings for CORS.

use http::{HeaderMap, header};
use podling_daemon::http::Peer;
use podling_session::principal::Principal;
use std::net::{IpAddr, SocketAddr};

use super::Refused;

const LOOPBACK_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// What proxies add. One that adds none of them and sends a loopback `Host` cannot be told from the owner.
const FORWARDED: [&str; 6] =
    ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"];

/// The owner of the machine, at one loopback port.
#[derive(Clone, Copy, Debug)]
pub struct LocalOwner {
    port: u16,
}

/// What of a request tells where it comes from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Visit<'a> {
    pub peer: Option<IpAddr>,
    /// The host that the caller believes to talk to; none when it named none or several.
    pub host: Option<&'a str>,
    pub origin: Option<&'a str>,
    /// A proxy passed it on, so the peer is not the caller.
    pub forwarded: bool,
}

impl<'a> Visit<'a> {
    /// `authority` is the one of the request's target: HTTP/2 has no Host header.
    pub fn of(headers: &'a HeaderMap, peer: Option<Peer>, authority: Option<&'a str>) -> Visit<'a> {
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = match (hosts.next(), hosts.next(), authority) {
            (Some(host), None, None) => host.to_str().ok(),
            (Some(host), None, Some(authority)) => host.to_str().ok().filter(|host| *host == authority),
            (None, None, authority) => authority,
            _ => None,
        };
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let origin = match (origins.next(), origins.next()) {
            (None, _) => None,
            (Some(origin), None) => Some(origin.to_str().unwrap_or("unreadable")),
            (Some(_), Some(_)) => Some("several"),
        };
        let forwarded = FORWARDED.iter().any(|name| headers.contains_key(*name));
        Visit { peer: peer.map(|Peer(address)| address.ip()), host, origin, forwarded }
    }
}

impl LocalOwner {
    /// `None` when the bind is not a loopback address: others could call.
    pub fn at(bound: SocketAddr) -> Option<LocalOwner> {
        bound.ip().is_loopback().then_some(LocalOwner { port: bound.port() })
    }

    pub fn admit(self, visit: &Visit<'_>) -> Result<Principal, Refused> {
        if visit.forwarded || !visit.peer.is_some_and(|peer| peer.to_canonical().is_loopback()) {
            return Err(Refused::Missing);
        }
        let Some(host) = visit.host.filter(|host| self.is_ours(host)) else { return Err(Refused::ForeignHost) };
        let same_origin =
            |origin: &str| origin.strip_prefix("http://").is_some_and(|authority| authority.eq_ignore_ascii_case(host));
        if !visit.origin.is_none_or(same_origin) {
            return Err(Refused::ForeignOrigin);
        }
        Ok(Principal::local_owner())
    }

    fn is_ours(self, host: &str) -> bool {
        LOOPBACK_NAMES.iter().any(|name| {
            let bare = self.port == 80 && host.eq_ignore_ascii_case(name);
            bare || host.eq_ignore_ascii_case(&format!("{name}:{}", self.port))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_local_owner_comes_from_loopback_by_a_loopback_name_and_its_own_origin() {
        let owner = LocalOwner::at(([127, 0, 0, 1], 8080).into()).expect("a loopback bind");
        let check = |peer: &str, host: Option<&str>, origin: Option<&str>, expected: Option<&str>| {
            let visit = Visit { peer: peer.parse().ok(), host, origin, forwarded: false };
            let error = owner.admit(&visit).err().map(|error| error.to_string());
            assert_eq!(error.as_deref(), expected, "{visit:?}");
        };
        let (missing, foreign_host, foreign_origin) = (
            Some("no credential was presented"),
            Some("the host is not a loopback name of this server"),
            Some("the origin is not this server's own"),
        );
        for host in ["127.0.0.1:8080", "localhost:8080", "LOCALHOST:8080", "[::1]:8080"] {
            check("127.0.0.1", Some(host), None, None);
            check("::ffff:127.0.0.1", Some(host), Some(&format!("http://{host}")), None);
        }
        check("::1", Some("localhost:8080"), None, None);
        check("192.0.2.1", Some("localhost:8080"), None, missing);
        check("", Some("localhost:8080"), None, missing);
        for host in
            ["localhost", "localhost:80", "evil.example:8080", "127.0.0.1.evil.example:8080", "127.0.0.2:8080", ""]
        {
            check("127.0.0.1", Some(host), None, foreign_host);
        }
        check("127.0.0.1", None, None, foreign_host);
        for origin in [
            "null",
            "http://evil.example",
            "https://localhost:8080",
            "http://127.0.0.1:8080",
            "http://localhost:8081",
            "",
        ] {
            check("127.0.0.1", Some("localhost:8080"), Some(origin), foreign_origin);
        }
    }

    #[test]
    fn a_forwarded_request_is_not_the_owners() {
        let owner = LocalOwner::at(([127, 0, 0, 1], 8080).into()).expect("a loopback bind");
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "localhost:8080".parse().expect("a value"));
        let peer = Some(Peer(([127, 0, 0, 1], 1).into()));
        assert!(owner.admit(&Visit::of(&headers, peer, None)).is_ok());
        assert!(owner.admit(&Visit::of(&headers, peer, Some("evil.example"))).is_err());
        for name in FORWARDED {
            let mut headers = headers.clone();
            headers.insert(name, "192.0.2.1".parse().expect("a value"));
            assert!(owner.admit(&Visit::of(&headers, peer, None)).is_err(), "{name}");
        }
    }

    #[test]
    fn of_two_origins_none_counts() {
        let owner = LocalOwner::at(([127, 0, 0, 1], 8080).into()).expect("a loopback bind");
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "localhost:8080".parse().expect("a value"));
        headers.append(header::ORIGIN, "http://localhost:8080".parse().expect("a value"));
        let peer = Some(Peer(([127, 0, 0, 1], 1).into()));
        assert!(owner.admit(&Visit::of(&headers, peer, None)).is_ok());
        headers.append(header::ORIGIN, "http://evil.example".parse().expect("a value"));
        assert!(owner.admit(&Visit::of(&headers, peer, None)).is_err());
    }

    #[test]
    fn an_open_bind_has_no_local_owner() {
        assert!(LocalOwner::at(([0, 0, 0, 0], 8080).into()).is_none());
        assert!(LocalOwner::at("[::]:8080".parse().expect("an address")).is_none());
    }
}
