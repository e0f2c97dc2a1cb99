//! gRPC servers: on a Unix socket that only its own user may open, and on TCP with TLS.

use std::{io, path::Path, time::Duration};

use axum::{extract::Request, middleware::Next, response::Response};
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
use tonic::{
    service::Routes,
    transport::server::{Connected, Router, Server},
};
use tracing::{Instrument, warn};

pub use crate::secured::Remote;
use crate::{
    request::{Context, REQUEST_ID},
    secured,
    tls::Identity,
};

/// A peer that answers no ping for this long is gone.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// Calls that a peer gives up at once before it is taken for an attacker, and its whole connection closed. The default
/// of 20 is for strangers; our peers are a gateway, which gives up as many as strangers show it spent tokens, and
/// runners.
const MAX_RESETS: usize = 100_000;
/// Calls that a connection may have open: each viewer of a gateway has one, and a gateway bounds its viewers well below.
const MAX_STREAMS: u32 = 16_384;
/// The names and values that a call may begin with; the largest is a token.
const MAX_HEADER_BYTES: u32 = 16 * 1024;
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
        .max_concurrent_streams(Some(MAX_STREAMS))
        .http2_max_header_list_size(Some(MAX_HEADER_BYTES))
        .http2_max_pending_accept_reset_streams(Some(MAX_RESETS))
        .http2_max_local_error_reset_streams(Some(MAX_RESETS))
}

/// The same services, each call of which runs within the [`Context`] that its metadata tell of.
pub fn in_context(routes: Routes) -> Routes {
    routes.into_axum_router().layer(axum::middleware::from_fn(call)).into()
}

async fn call(request: Request, next: Next) -> Response {
    let address = request.extensions().get::<Remote>().map(|remote| remote.address.ip().to_canonical());
    let context = Context::read(request.headers(), address);
    let span = context.span("gRPC", request.uri().path());
    let mut response = context.clone().scope(next.run(request)).instrument(span).await;
    response.headers_mut().insert(REQUEST_ID, context.id_header());
    response
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

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::UnixStream,
    };
    use tonic::service::Routes;

    use super::*;

    /// What the first SETTINGS frame says (RFC 9113, 6.5).
    #[tokio::test]
    async fn a_connection_is_told_how_many_calls_and_how_long_headers_it_may_have() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, stop) = (folder.path().join("s"), CancellationToken::new());
        let serving = serve(bind(&path).expect("bind"), server(65_536, 65_536).add_routes(Routes::default()), stop);
        let asking = async {
            let mut socket = UnixStream::connect(&path).await.expect("it listens");
            socket.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.expect("open");
            let mut head = [0; 9];
            socket.read_exact(&mut head).await.expect("a frame");
            let mut settings = vec![0; usize::from(u16::from_be_bytes([head[1], head[2]]))];
            socket.read_exact(&mut settings).await.expect("a whole frame");
            let value = |id: u16| {
                let found = settings.chunks(6).find(|setting| setting[..2] == id.to_be_bytes());
                found.map(|setting| u32::from_be_bytes([setting[2], setting[3], setting[4], setting[5]]))
            };
            assert_eq!((value(3), value(6)), (Some(MAX_STREAMS), Some(MAX_HEADER_BYTES)));
        };
        tokio::select! {
            () = asking => {}
            ended = serving => panic!("it ended: {ended:?}"),
        }
    }
}
