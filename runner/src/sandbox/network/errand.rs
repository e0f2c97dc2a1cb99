//! What is done inside of a sandbox's network namespace, by somebody who may do it there.

use std::{
    fmt, fs, io,
    net::{Ipv4Addr, TcpListener},
    os::fd::OwnedFd,
    str::FromStr,
};

use super::device;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Errand {
    /// First of all, before anything else is in the namespace: loopback works, and the walls stand.
    Begin,
    /// The same in a user namespace that is new as well, in which this user and group are root, as slirp4netns expects.
    BeginAs(u32, u32),
    /// Listens on 127.0.0.1; port 0 for any.
    Listen(u16),
    /// Makes the device on the way out. These addresses are the host's own, which nobody reaches by it.
    Connect(Vec<Ipv4Addr>),
    /// Takes that device down.
    Disconnect,
}

impl Errand {
    /// Does it in the namespace of this thread; gives what was asked to be opened.
    pub(super) fn run(&self) -> io::Result<Option<OwnedFd>> {
        match self {
            Errand::Begin => device::begin()?,
            Errand::BeginAs(user, group) => {
                name_users(*user, *group)?;
                device::begin()?;
            }
            Errand::Listen(port) => return Ok(Some(TcpListener::bind((Ipv4Addr::LOCALHOST, *port))?.into())),
            Errand::Connect(hosts) => device::connect(hosts)?,
            Errand::Disconnect => device::disconnect()?,
        }
        Ok(None)
    }
}

/// One word, as an argument of the process that is sent.
impl fmt::Display for Errand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Errand::Begin => f.write_str("begin"),
            Errand::BeginAs(user, group) => write!(f, "begin-as:{user},{group}"),
            Errand::Listen(port) => write!(f, "listen:{port}"),
            Errand::Connect(hosts) => {
                let hosts: Vec<_> = hosts.iter().map(Ipv4Addr::to_string).collect();
                write!(f, "connect:{}", hosts.join(","))
            }
            Errand::Disconnect => f.write_str("disconnect"),
        }
    }
}

impl FromStr for Errand {
    type Err = io::Error;

    fn from_str(word: &str) -> io::Result<Errand> {
        let invalid = || io::Error::from(io::ErrorKind::InvalidInput);
        match word.split_once(':').unwrap_or((word, "")) {
            ("begin", "") => Ok(Errand::Begin),
            ("begin-as", users) => {
                let (user, group) = users.split_once(',').ok_or_else(invalid)?;
                let number = |text: &str| text.parse().map_err(|_| invalid());
                Ok(Errand::BeginAs(number(user)?, number(group)?))
            }
            ("listen", port) => port.parse().map(Errand::Listen).map_err(|_| invalid()),
            ("connect", hosts) => {
                let hosts = hosts.split(',').filter(|host| !host.is_empty()).map(str::parse);
                hosts.collect::<Result<_, _>>().map(Errand::Connect).map_err(|_| invalid())
            }
            ("disconnect", "") => Ok(Errand::Disconnect),
            _ => Err(invalid()),
        }
    }
}

/// An ordinary user may name nobody else (user_namespaces(7)).
fn name_users(user: u32, group: u32) -> io::Result<()> {
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {user} 1"))?;
    fs::write("/proc/self/gid_map", format!("0 {group} 1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_errand_is_one_word_and_nothing_else_is_one() {
        let hosts = vec![Ipv4Addr::LOCALHOST, Ipv4Addr::new(198, 51, 100, 7)];
        for errand in [
            Errand::Begin,
            Errand::BeginAs(1000, 100),
            Errand::Listen(8080),
            Errand::Connect(Vec::new()),
            Errand::Connect(hosts),
            Errand::Disconnect,
        ] {
            assert_eq!(errand.to_string().parse::<Errand>().expect("a word"), errand);
        }
        for word in [
            "",
            "begin:1",
            "begin-as:1",
            "begin-as:1,x",
            "listen",
            "listen:65536",
            "connect:x",
            "connect:::1",
            "disconnect:x",
            "run",
        ] {
            assert!(word.parse::<Errand>().is_err(), "{word}");
        }
    }
}
