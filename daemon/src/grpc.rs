//! gRPC servers: on a Unix socket that only its own user may open, and on TCP with TLS.

use std::{io, path::Path, time::Duration};

use futures_util::Stream;
use podling_proto::socket::Socket;
use rustix::{
    fs::Mode,
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, socket_with},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
    time::timeout,
};
use tokio_stream::{StreamExt, wrappers::UnixListenerStream};
use tokio_util::sync::CancellationToken;
use tonic::transport::server::{Connected, Router, Server};
use tracing::warn;

use crate::{secured, tls::Identity};

/// A peer that answers no ping for this long is gone.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// Calls that a peer gives up at once before it is taken for an attacker, and its whole connection closed. The default
/// of 20 is for strangers; our peers are a gateway, which gives up as many as strangers show it spent tokens, and
/// runners.
const MAX_RESETS: usize = 100_000;
/// How long calls may take to end once the server drains.
const DRAIN: Duration = Duration::from_secs(5);
/// Connections that wait to be accepted.
const BACKLOG: i32 = 1_024;
/// The longest path of a Unix socket, `sun_path` less its NUL (unix(7)).
pub const MAX_SOCKET_PATH: usize = 107;

/// Binds a socket with mode 0600, in place of what a dead process left there.
///
/// # Errors
/// When the path is too long or cannot be bound.
pub fn bind(path: &Path) -> io::Result<UnixListener> {
    if path.as_os_str().len() > MAX_SOCKET_PATH {
        let message = format!("{} is longer than the {MAX_SOCKET_PATH} bytes of a socket's path", path.display());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // The file of a socket gets the mode of the socket itself (unix(7)), so there is no moment at which another user
    // could connect. Not by the umask: that is the whole process's, and other threads make files meanwhile.
    let socket =
        socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    rustix::fs::fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    rustix::net::listen(&socket, BACKLOG)?;
    UnixListener::from_std(socket.into())
}

/// A server with the windows and pings that terminals need.
pub fn server(stream_window: u32, connection_window: u32) -> Server {
    Server::builder()
        .http2_keepalive_interval(Some(KEEP_ALIVE))
        .http2_keepalive_timeout(Some(KEEP_ALIVE))
        .initial_stream_window_size(stream_window)
        .initial_connection_window_size(connection_window)
        .http2_max_pending_accept_reset_streams(Some(MAX_RESETS))
        .http2_max_local_error_reset_streams(Some(MAX_RESETS))
}

/// Serves until `stop`, then lets calls under way end.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: UnixListener,
    router: Router,
    stop: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    let incoming = UnixListenerStream::new(listener).map(|accepted| accepted.and_then(Socket::try_from));
    until(incoming, router, stop).await
}

/// The same on TCP, for whoever trusts the server's certificate.
///
/// # Errors
/// When the listener fails.
pub async fn serve_tls(
    listener: TcpListener,
    identity: Identity,
    router: Router,
    stop: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    until(secured::incoming(listener, &identity), router, stop).await
}

async fn until<I>(
    incoming: impl Stream<Item = io::Result<I>>,
    router: Router,
    stop: CancellationToken,
) -> Result<(), tonic::transport::Error>
where
    I: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
{
    let serving = router.serve_with_incoming_shutdown(incoming, stop.clone().cancelled_owned());
    tokio::pin!(serving);
    tokio::select! {
        ended = serving.as_mut() => return ended,
        () = stop.cancelled() => {}
    }
    match timeout(DRAIN, serving).await {
        Ok(ended) => ended,
        Err(_) => {
            warn!("gRPC calls were still open at the end of the drain");
            Ok(())
        }
    }
}
