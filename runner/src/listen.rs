//! Where gateways attach, and what the runner proves itself with there.

use std::{net::SocketAddr, path::Path};

use anyhow::Context;
use podling_daemon::{grpc, tls::Identity};
use podling_proto::channel::Address;
use tokio::net::{TcpListener, UnixListener};
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Router;

use crate::ATTACH_SOCKET;

pub(crate) enum Listener {
    Unix(UnixListener),
    Tls(TcpListener, Identity),
}

/// What the runner registers: gateways are told of it.
#[derive(Clone, Debug)]
pub(crate) struct Serves {
    pub(crate) address: Address,
    /// DER; over a Unix socket, which needs none, random bytes that tell this process from another.
    pub(crate) certificate: Vec<u8>,
}

/// The socket in the runner's directory, or a TCP port with a certificate that is made now. `host` is what gateways are
/// told in place of the address itself.
pub(crate) async fn bind(
    dir: &Path,
    listen: Option<SocketAddr>,
    host: Option<&str>,
) -> anyhow::Result<(Listener, Serves)> {
    let Some(listen) = listen else {
        let socket = dir.join(ATTACH_SOCKET);
        let listener = grpc::bind(&socket).context("the attach socket cannot be bound")?;
        let certificate = rand::random::<[u8; 32]>().to_vec();
        return Ok((Listener::Unix(listener), Serves { address: Address::Unix(socket), certificate }));
    };
    let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    let bound = listener.local_addr().context("the listener has no address")?;
    let host = host.map_or_else(|| bound.ip().to_string(), ToOwned::to_owned);
    let (identity, certificate) = Identity::self_signed(&host).context("the runner's certificate cannot be made")?;
    let bracketed = if host.contains(':') { format!("[{host}]") } else { host };
    let address = format!("https://{bracketed}:{}", bound.port()).parse().context("gateways cannot be told of it")?;
    Ok((Listener::Tls(listener, identity), Serves { address, certificate }))
}

impl Listener {
    pub(crate) async fn serve(self, router: Router, stop: CancellationToken) -> Result<(), tonic::transport::Error> {
        match self {
            Listener::Unix(listener) => grpc::serve(listener, router, stop).await,
            Listener::Tls(listener, identity) => grpc::serve_tls(listener, identity, router, stop).await,
        }
    }
}
