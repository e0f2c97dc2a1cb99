//! The network of a sandbox: one namespace, which all of its commands share.
//!
//! It is made with the sandbox, so that there is something to listen in before anything runs. In it is loopback and
//! nothing else ([`namespace`]), until it is given a way out ([`device`]).

mod device;
mod errand;
mod namespace;
mod netlink;

use std::{io, net::TcpListener, os::fd::OwnedFd, path::Path, sync::Arc};

pub(super) use self::{
    device::NAME_SERVER,
    namespace::{NETWORK, answer, enter},
};
use self::{errand::Errand, namespace::Namespace};

#[derive(Debug)]
pub(super) struct Network {
    namespace: Arc<Namespace>,
}

impl Network {
    /// Blocks for a moment.
    pub(super) fn make(program: &Path) -> io::Result<Network> {
        Ok(Network { namespace: Arc::new(Namespace::make(program)?) })
    }

    /// What commands enter, in this order.
    pub(super) fn entrances(&self) -> io::Result<Vec<OwnedFd>> {
        self.namespace.entrances()
    }

    pub(super) async fn listen(&self, port: u16) -> io::Result<TcpListener> {
        let opened = self.send(Errand::Listen(port)).await?;
        opened.map(TcpListener::from).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    async fn send(&self, errand: Errand) -> io::Result<Option<OwnedFd>> {
        let namespace = Arc::clone(&self.namespace);
        tokio::task::spawn_blocking(move || namespace.send(errand)).await.map_err(io::Error::other)?
    }
}
