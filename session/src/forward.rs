//! What a deployment lets every sandbox reach by name, egress or not.

use std::{fmt, str::FromStr};

use url::Host;

/// `PORT=HOST:PORT`: a port of the sandbox's loopback, and what the runner connects it to, as seen from the runner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    pub port: u16,
    pub host: Host<String>,
    pub host_port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not PORT=HOST:PORT")]
pub struct InvalidForward(String);

impl Forward {
    fn parse(text: &str) -> Option<Forward> {
        let (port, target) = text.split_once('=')?;
        let (host, host_port) = target.rsplit_once(':')?;
        Some(Forward { port: number(port)?, host: Host::parse(host).ok()?, host_port: number(host_port)? })
    }
}

fn number(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port| *port != 0 && text.bytes().all(|byte| byte.is_ascii_digit()))
}

impl FromStr for Forward {
    type Err = InvalidForward;

    fn from_str(text: &str) -> Result<Forward, InvalidForward> {
        Forward::parse(text).ok_or_else(|| InvalidForward(text.to_owned()))
    }
}

impl fmt::Display for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}:{}", self.port, self.host, self.host_port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forward_is_a_port_and_a_host_with_one() {
        for text in ["80=localhost:8080", "8080=127.0.0.1:1", "1=[::1]:65535", "443=models.internal:443"] {
            assert_eq!(text.parse::<Forward>().map(|forward| forward.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "80", "80=", "80=a", "0=a:1", "80=a:0", "+1=a:1", "80=:1", "80=::1:1", "80=a b:1", "x=a:1"] {
            assert!(text.parse::<Forward>().is_err(), "{text}");
        }
    }
}
