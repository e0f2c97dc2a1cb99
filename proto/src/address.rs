//! Addresses of gRPC servers, as arguments and registrations write them.

use std::{fmt, path::PathBuf, str::FromStr};

use rustls::pki_types::ServerName;

/// Where a gRPC server is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// `unix:/path`: a socket that only its own user may open.
    Unix(PathBuf),
    /// `unix:/path/`, with the slash: any socket of a directory, whichever answers.
    UnixIn(PathBuf),
    /// `https://host:port`
    Tls { host: Host, port: u16 },
}

/// A DNS name or an IP address, which a certificate can be for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Host(ServerName<'static>);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an address: unix:/path is, and https://host:port")]
pub struct InvalidAddress(String);

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Address, InvalidAddress> {
        parse(text).ok_or_else(|| InvalidAddress(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<Address> {
    if let Some(path) = text.strip_prefix("unix:").filter(|path| path.starts_with('/')) {
        return Some(match path.ends_with('/') {
            true => Address::UnixIn(path.into()),
            false => Address::Unix(path.into()),
        });
    }
    let authority = text.strip_prefix("https://")?;
    let (host, port) = authority.strip_suffix('/').unwrap_or(authority).rsplit_once(':')?;
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    if bracketed.is_none() && host.contains(':') {
        return None;
    }
    let name = ServerName::try_from(bracketed.unwrap_or(host).to_owned()).ok()?;
    let port = port.parse().ok().filter(|port| *port > 0)?;
    Some(Address::Tls { host: Host(name), port })
}

impl Host {
    pub(crate) fn name(&self) -> ServerName<'static> {
        self.0.clone()
    }

    /// As resolvers want it, without brackets.
    pub(crate) fn plain(&self) -> String {
        self.0.to_str().into_owned()
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            ServerName::IpAddress(rustls::pki_types::IpAddr::V6(_)) => write!(f, "[{}]", self.plain()),
            _ => f.write_str(&self.plain()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
            Address::UnixIn(directory) => write!(f, "unix:{}/", directory.display().to_string().trim_end_matches('/')),
            Address::Tls { host, port } => write!(f, "https://{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_as_it_was_written() {
        for text in [
            "unix:/run/podling/control.sock",
            "unix:/run/podling/",
            "https://controller.podling.svc:9443",
            "https://127.0.0.1:9443",
            "https://[::1]:9443",
        ] {
            assert_eq!(text.parse::<Address>().expect(text).to_string(), text);
        }
        assert_eq!("https://a:1/".parse::<Address>().expect("a slash").to_string(), "https://a:1");
    }

    #[test]
    fn what_cannot_be_proved_or_reached_is_no_address() {
        for text in [
            "",
            "unix:relative",
            "http://a:1",
            "https://a",
            "https://:1",
            "https://a:0",
            "https://a:65536",
            "https://::1:9443",
            "https://a:1/path",
            "https://a b:1",
            "https://user@a:1",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
