//! Which addresses a source may be fetched from.
//!
//! Podling fetches what strangers name, from inside the operator's network. So it connects to public addresses only,
//! and to the private hosts that the operator lists. The controller applies the rule to literal addresses when a
//! session is created (`code_hosts`), the runner to everything that a name resolves to, at every redirect.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use url::{Host, Url};

/// Ranges of IPv4 behind which there is somebody, but not the public internet: first address, prefix length. From IANA's
/// special-purpose registry (RFC 6890); all metadata services of clouds lie in them but Azure's, which is the last row.
/// No source comes from them, and no sandbox reaches them.
pub const WALLED: [(Ipv4Addr, u32); 13] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
    (Ipv4Addr::new(168, 63, 129, 16), 32),
];

/// Ranges for examples (RFC 5737): nobody is behind them, so a source that names one is a mistake.
const EXAMPLES: [(Ipv4Addr, u32); 3] =
    [(Ipv4Addr::new(192, 0, 2, 0), 24), (Ipv4Addr::new(198, 51, 100, 0), 24), (Ipv4Addr::new(203, 0, 113, 0), 24)];

/// Whether an address is of the public internet. Addresses that carry an IPv4 address inside are judged by that one.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let same = |(range, prefix): &(Ipv4Addr, u32)| (address.to_bits() ^ range.to_bits()) >> (32 - prefix) == 0;
    !WALLED.iter().chain(&EXAMPLES).any(same)
}

/// Only 2000::/3 is given out as global unicast (RFC 4291), so what is not named here is refused.
fn is_public_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        // IPv4-mapped (RFC 4291, 2.5.5.2), and NAT64's well-known prefix (RFC 6052).
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => is_public_v4(joined(high, low)),
        [0x2002, high, low, ..] => is_public_v4(joined(high, low)), // 6to4 (RFC 3056).
        // Protocol assignments, with Teredo, benchmarking and ORCHID among them (RFC 2928).
        [0x2001, second, ..] if second < 0x200 => false,
        [0x2001, 0xdb8, ..] => false,                       // Documentation (RFC 3849).
        [0x3fff, second, ..] if second >> 12 == 0 => false, // Documentation (RFC 9637).
        [first, ..] => first >> 13 == 1,
    }
}

fn joined(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))
}

/// `HOST[:PORT]`: one host that sources may come from although its addresses are private; without a port, any port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedSource {
    host: Host<String>,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not HOST or HOST:PORT")]
pub struct InvalidSource(String);

impl AllowedSource {
    /// Names are compared as they stand in the URL, never by what they resolve to.
    pub fn admits(&self, url: &Url) -> bool {
        let same_host = match (&self.host, url.host()) {
            (Host::Domain(ours), Some(Host::Domain(theirs))) => ours == theirs,
            (Host::Ipv4(ours), Some(Host::Ipv4(theirs))) => *ours == theirs,
            (Host::Ipv6(ours), Some(Host::Ipv6(theirs))) => *ours == theirs,
            _ => false,
        };
        same_host && (self.port.is_none() || self.port == url.port_or_known_default())
    }
}

impl FromStr for AllowedSource {
    type Err = InvalidSource;

    fn from_str(text: &str) -> Result<AllowedSource, InvalidSource> {
        let invalid = || InvalidSource(text.to_owned());
        // The colons of an IPv6 address stand inside its brackets.
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(parse_port(port).ok_or_else(invalid)?)),
            _ => (text, None),
        };
        Ok(AllowedSource { host: Host::parse(host).map_err(|_| invalid())?, port })
    }
}

/// Port 0 admits nothing, so it is a mistake.
fn parse_port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port| *port != 0 && text.bytes().all(|b| b.is_ascii_digit()))
}

impl fmt::Display for AllowedSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => write!(f, "{}", self.host),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_addresses_are_what_is_left_when_every_special_range_is_taken_out() {
        let check = |address: &str, public: bool| {
            assert_eq!(is_public(address.parse().expect(address)), public, "{address}");
        };
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.1",
            "140.82.112.3",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:4860:4860::8888",
            "2001:200::1",
            "2a00:1450::1",
            "3ffe::1",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2002:808:808::1",
        ] {
            check(address, true);
        }
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.100.100.200",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::127.0.0.1",
            "::8.8.8.8",
            "fe80::1",
            "fec0::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "100::1",
            "2001::1",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            "2001:2::1",
            "2001:10::1",
            "2001:1ff::1",
            "2001:db8::1",
            "3fff:fff::1",
            "5f00::1",
            "4000::1",
            "64:ff9b:1::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::a00:1",
            "64:ff9b::169.254.169.254",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "2002:c0a8:1::1",
        ] {
            check(address, false);
        }
    }

    fn url(text: &str) -> Url {
        text.parse().expect(text)
    }

    #[test]
    fn an_allowed_source_admits_one_host_and_the_port_it_names() {
        let check = |source: &str, target: &str, admitted: bool| {
            let source: AllowedSource = source.parse().expect(source);
            assert_eq!(source.admits(&url(target)), admitted, "{source} {target}");
        };
        check("127.0.0.1:8000", "http://127.0.0.1:8000/a.tgz", true);
        check("127.0.0.1:8000", "http://127.0.0.1:8001/a.tgz", false);
        check("127.0.0.1:80", "http://127.0.0.1/a.tgz", true);
        check("127.0.0.1:80", "https://127.0.0.1/a.tgz", false);
        check("127.0.0.1", "http://127.0.0.1:1/a.tgz", true);
        check("127.0.0.1", "http://0x7f.1/a.tgz", true);
        check("127.0.0.1", "http://127.0.0.2/a.tgz", false);
        check("127.0.0.1", "http://localhost/a.tgz", false);
        check("127.0.0.1", "http://127.0.0.1.example.org/a.tgz", false);
        check("[::1]:8000", "http://[::1]:8000/a.tgz", true);
        check("[::1]", "http://[::1]:9/a.tgz", true);
        check("[::1]", "http://[::ffff:127.0.0.1]/a.tgz", false);
        check("Artifacts.Local", "http://artifacts.local/a.tgz", true);
        check("artifacts.local", "http://x.artifacts.local/a.tgz", false);
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in ["", ":80", "a:", "a:x", "a:0", "a:+80", "a:65536", "::1", "http://a", "a/b", "u@a", "a b", "a:1:2"]
        {
            assert!(text.parse::<AllowedSource>().is_err(), "{text}");
        }
        for text in ["a", "a:80", "[::1]", "[::1]:80", "127.0.0.1:1"] {
            assert_eq!(text.parse::<AllowedSource>().map(|source| source.to_string()), Ok(text.to_owned()));
        }
    }
}
