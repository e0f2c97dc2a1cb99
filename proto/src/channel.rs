//! Connections to gRPC servers by address: `unix:/path` on one machine, `https://host:port` elsewhere.

use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint};

use crate::socket::Socket;

/// How long a connection may take to stand.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A peer that said nothing for this long is asked whether it is there.
const PING_AFTER: Duration = Duration::from_secs(3);
/// A peer that does not answer so much later is gone.
const PING_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a peer has been silent by the time a connection to it counts as lost for that reason.
pub const SILENCE: Duration = PING_AFTER.saturating_add(PING_TIMEOUT);
/// HTTP/2 windows: large enough that a terminal's credit, and never the transport, decides who waits.
pub const STREAM_WINDOW: u32 = 4 << 20;
pub const CONNECTION_WINDOW: u32 = 16 << 20;

/// Where a gRPC server is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    Unix(PathBuf),
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an address: unix:/path is")]
pub struct InvalidAddress(String);

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Address, InvalidAddress> {
        match text.strip_prefix("unix:") {
            Some(path) if path.starts_with('/') => Ok(Address::Unix(path.into())),
            _ => Err(InvalidAddress(text.to_owned())),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Address {
    /// A channel that connects at its first use and again after a loss.
    pub fn channel(&self) -> Channel {
        let Address::Unix(path) = self.clone();
        endpoint().connect_with_connector_lazy(tower::service_fn(move |_| dial(path.clone())))
    }

    /// A channel that stands, or why it does not.
    pub async fn connect(&self) -> Result<Channel, tonic::transport::Error> {
        let Address::Unix(path) = self.clone();
        endpoint().connect_with_connector(tower::service_fn(move |_| dial(path.clone()))).await
    }
}

async fn dial(path: PathBuf) -> std::io::Result<TokioIo<Socket>> {
    Ok(TokioIo::new(UnixStream::connect(path).await?.try_into()?))
}

fn endpoint() -> Endpoint {
    // The authority is of no use on a Unix socket, but HTTP/2 wants one.
    Endpoint::from_static("http://podling")
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(PING_AFTER)
        .keep_alive_timeout(PING_TIMEOUT)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
}
