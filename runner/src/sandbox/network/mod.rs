//! The network of a sandbox: one namespace, which all of its commands share.
//!
//! It is made with the sandbox, so that there is something to listen in before anything runs. In it is loopback and
//! nothing else ([`namespace`]). Egress is a device ([`device`]) whose other end is slirp4netns ([`slirp`]); it comes
//! and goes between commands, as each is meant to have it. Both forms are IPv4 alone: no IPv6 leaves a sandbox.

mod device;
mod errand;
mod hosts;
mod namespace;
mod netlink;
mod slirp;

use std::{
    io,
    net::{Ipv4Addr, TcpListener},
    os::fd::OwnedFd,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

pub(super) use self::{
    device::NAME_SERVER,
    namespace::{NETWORK, answer, enter},
    slirp::SLIRP,
};
use self::{errand::Errand, namespace::Namespace, slirp::Slirp};
use super::{SandboxError, fork::Forker, setup};

#[derive(Debug)]
pub(super) struct Network {
    namespace: Arc<Namespace>,
    egress: Mutex<Option<Egress>>,
}

#[derive(Debug)]
struct Egress {
    slirp: Slirp,
    /// Addresses of the machine that are walled off.
    hosts: Vec<Ipv4Addr>,
}

impl Network {
    /// Blocks for a moment.
    pub(super) fn make(program: &Path) -> io::Result<Network> {
        Ok(Network { namespace: Arc::new(Namespace::make(program)?), egress: Mutex::default() })
    }

    /// What commands enter, in this order.
    pub(super) fn entrances(&self) -> io::Result<Vec<OwnedFd>> {
        self.namespace.entrances()
    }

    pub(super) async fn listen(&self, port: u16) -> io::Result<TcpListener> {
        let opened = self.send(Errand::Listen(port)).await?;
        opened.map(TcpListener::from).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Opens the way out; where it is open, sees that it still is, and that addresses which the machine has got since
    /// are walled off. After an error there is none.
    pub(super) async fn connect(&self, forker: &Forker) -> Result<(), SandboxError> {
        let hosts = hosts::own().map_err(setup("listing the machine's addresses"))?;
        let open = self.take().and_then(|mut egress| egress.slirp.is_alive().then_some(egress));
        if open.as_ref().is_none_or(|egress| egress.hosts != hosts) {
            slirp::find()?; // No namespace is given a device that nothing can be behind.
            self.send(Errand::Connect(hosts.clone())).await.map_err(setup("making the way out of the sandbox"))?;
        }
        let slirp = match open {
            Some(Egress { slirp, .. }) => slirp,
            None => {
                let mut user = self.entrances().map_err(setup("opening the network"))?;
                let net = user.pop().expect("the network comes last");
                Slirp::start(forker, user, net).await?
            }
        };
        *self.egress.lock().unwrap_or_else(PoisonError::into_inner) = Some(Egress { slirp, hosts });
        Ok(())
    }

    /// Closes the way out.
    pub(super) async fn disconnect(&self) -> io::Result<()> {
        drop(self.take());
        self.send(Errand::Disconnect).await.map(|_| ())
    }

    fn take(&self) -> Option<Egress> {
        self.egress.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    async fn send(&self, errand: Errand) -> io::Result<Option<OwnedFd>> {
        let namespace = Arc::clone(&self.namespace);
        tokio::task::spawn_blocking(move || namespace.send(errand)).await.map_err(io::Error::other)?
    }
}
