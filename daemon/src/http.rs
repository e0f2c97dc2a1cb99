//! An HTTP server on a listener: HTTP/1 with upgrades and HTTP/2, bounded headers, times and connections, and a drain.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use http::{Request, Response};
use hyper::{
    body::{Body, Incoming},
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    net::TcpListener,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, warn};

use crate::busy::{Answering, Busy};

/// A client that sends its request head slower than this is cut (slowloris).
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection that asks for nothing this long is closed, whatever it says beside: nothing at all, half of an HTTP/2
/// preface, or answers to pings.
const IDLE: Duration = Duration::from_secs(15);
/// How long an idle connection may take to take what it was sent last.
const FLUSH: Duration = Duration::from_secs(60);
/// Past it, who connects waits until another leaves. Upgraded connections do not count: they were let in by a token.
const MAX_CONNECTIONS: usize = 2_048;
/// How long requests under way may take once the server drains.
const DRAIN: Duration = Duration::from_secs(10);
/// After a failed accept, such as for want of file descriptors, which others may give back.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Who is at the other end of a connection; in every request's extensions.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// Serves until `stop`, then lets requests under way finish. Upgraded connections belong to the service.
pub async fn serve<S, B>(listener: TcpListener, service: S, stop: CancellationToken)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let connections = TaskTracker::new();
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = accept(&listener, &room) => accepted,
        };
        let (socket, peer, room) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(%error, "accepting a connection failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let _ = socket.set_nodelay(true); // Only latency would suffer, and the socket may be gone already.
        let serving = connection(TokioIo::new(socket), peer, service.clone(), stop.clone());
        connections.spawn(async move {
            serving.await;
            drop(room);
        });
    }
    drop(listener);
    connections.close();
    if timeout(DRAIN, connections.wait()).await.is_err() {
        warn!(connections = connections.len(), "connections were still busy at the end of the drain");
    }
}

/// Only when there is room for one more connection.
pub(crate) async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> std::io::Result<(tokio::net::TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let room = Arc::clone(room).acquire_owned().await.expect("the semaphore is never closed");
    let (socket, peer) = listener.accept().await?;
    Ok((socket, peer, room))
}

async fn connection<S, B>(io: TokioIo<tokio::net::TcpStream>, peer: SocketAddr, service: S, stop: CancellationToken)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).max_buf_size(64 * 1024);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(Some(HEADER_TIMEOUT)).max_concurrent_streams(256);
    let busy = Busy::default();
    let asked = busy.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        let (answer, mark) = (service.call(request), asked.mark());
        async move { answer.await.map(|response| response.map(|body| Answering::new(body, mark))) }
    });
    let connection = builder.serve_connection_with_upgrades(io, service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = busy.idle_for(IDLE) => {
            connection.as_mut().graceful_shutdown();
            match timeout(FLUSH, connection).await {
                Ok(ended) => ended,
                Err(_) => return debug!(%peer, "connection cut: it neither asked nor took its answers"),
            }
        }
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // Also an idle connection whose header timeout fired: nobody's fault, and nothing to act on.
        debug!(%peer, %error, "connection ended");
    }
}
