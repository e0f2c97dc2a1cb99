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

use crate::{
    busy::{Answering, Busy},
    peers::Peers,
};

/// A client that sends its request head slower than this is cut (slowloris).
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection that asks for nothing this long is closed, whatever it says beside: nothing at all, half of an HTTP/2
/// preface, or answers to pings.
const IDLE: Duration = Duration::from_secs(15);
/// How long an idle connection may take to take what it was sent last.
const FLUSH: Duration = Duration::from_secs(60);
/// An answer of which its peer takes nothing for this long is cut short, with its connection. A piece of a log is up to
/// 1 MiB, and who takes 9 KB/s is slow, not gone.
const STUCK: Duration = Duration::from_secs(120);
/// Past it, who connects waits until another leaves. Upgraded connections do not count: they were let in by a token.
const MAX_CONNECTIONS: usize = 2_048;
/// Of one address, or one network of IPv6: half, so that one balancer may have many and nobody alone keeps all others
/// out. Past it a connection is closed at once.
const MAX_CONNECTIONS_PER_ADDRESS: usize = MAX_CONNECTIONS / 2;
/// What a peer may send ahead of its being read, over HTTP/2: for each request, and for all of a connection, for all of
/// them together are memory that a stranger fills.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 128 * 1024;
/// How long requests under way may take once the server drains.
const DRAIN: Duration = Duration::from_secs(10);
/// After a failed accept, such as for want of file descriptors, which others may give back.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Who is at the other end of a connection; in every request's extensions.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// What tests shorten.
#[derive(Clone, Copy)]
struct Bounds {
    connections: usize,
    per_address: usize,
    stuck: Duration,
}

const BOUNDS: Bounds = Bounds { connections: MAX_CONNECTIONS, per_address: MAX_CONNECTIONS_PER_ADDRESS, stuck: STUCK };

/// Serves until `stop`, then lets requests under way finish. Upgraded connections belong to the service.
pub async fn serve<S, B>(listener: TcpListener, service: S, stop: CancellationToken)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send> + Clone + Send + 'static,
    B: Body<Data: Send, Error: Into<Cause>> + Send + Unpin + 'static,
{
    serve_within(BOUNDS, listener, service, stop).await;
}

async fn serve_within<S, B>(bounds: Bounds, listener: TcpListener, service: S, stop: CancellationToken)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send> + Clone + Send + 'static,
    B: Body<Data: Send, Error: Into<Cause>> + Send + Unpin + 'static,
{
    let connections = TaskTracker::new();
    let room = Arc::new(Semaphore::new(bounds.connections));
    let peers = Peers::new(bounds.per_address);
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
        let Some(place) = peers.place(peer.ip()) else {
            debug!(%peer, "connection closed: its address has as many as it may");
            continue;
        };
        let _ = socket.set_nodelay(true); // Only latency would suffer, and the socket may be gone already.
        let serving = connection(TokioIo::new(socket), peer, bounds, service.clone(), stop.clone());
        connections.spawn(async move {
            serving.await;
            drop((room, place));
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

async fn connection<S, B>(
    io: TokioIo<tokio::net::TcpStream>,
    peer: SocketAddr,
    bounds: Bounds,
    service: S,
    stop: CancellationToken,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send> + Clone + Send + 'static,
    B: Body<Data: Send, Error: Into<Cause>> + Send + Unpin + 'static,
{
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).max_buf_size(64 * 1024);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(HEADER_TIMEOUT))
        .max_concurrent_streams(256)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
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
        () = busy.stuck_for(bounds.stuck) => return debug!(%peer, "connection cut: it takes no more of its answer"),
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

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use bytes::Bytes;
    use http_body_util::StreamBody;
    use hyper::body::Frame;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpSocket, TcpStream},
        time::Instant,
    };

    use super::*;

    const SMALL: Bounds = Bounds { connections: 8, per_address: 2, stuck: Duration::from_secs(1) };

    /// Answers with zeros, for ever.
    async fn server(stop: &CancellationToken) -> (SocketAddr, impl Future<Output = ()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let address = listener.local_addr().expect("bound");
        let service = service_fn(|_: Request<Incoming>| async {
            let zeros =
                futures_util::stream::repeat_with(|| Ok::<_, Infallible>(Frame::data(Bytes::from_static(&[0; 4096]))));
            Ok::<_, Infallible>(Response::new(StreamBody::new(zeros)))
        });
        (address, serve_within(SMALL, listener, service, stop.clone()))
    }

    async fn connect_from(from: Ipv4Addr, to: SocketAddr) -> TcpStream {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind((IpAddr::V4(from), 0).into()).expect("all of 127/8 is ours");
        socket.connect(to).await.expect("connects")
    }

    /// Asks and reads the first bytes of the answer; false when the connection is closed.
    async fn is_answered(socket: &mut TcpStream) -> bool {
        let _ = socket.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await; // Reading tells.
        let mut head = [0; 12];
        socket.read_exact(&mut head).await.is_ok_and(|_| &head == b"HTTP/1.1 200")
    }

    #[tokio::test]
    async fn one_address_has_so_many_connections_and_others_are_served_beside_it() {
        assert_eq!((BOUNDS.per_address, BOUNDS.connections), (1_024, 2_048));
        let stop = CancellationToken::new();
        let (address, serving) = server(&stop).await;
        let clients = async {
            let (one, other) = (Ipv4Addr::new(127, 0, 0, 2), Ipv4Addr::new(127, 0, 0, 3));
            let mut open = Vec::new();
            for from in [one, one, other] {
                let mut socket = connect_from(from, address).await;
                assert!(is_answered(&mut socket).await);
                open.push(socket);
            }
            assert!(!is_answered(&mut connect_from(one, address).await).await, "the third of one address");
            drop(open);
            let back = async { while !is_answered(&mut connect_from(one, address).await).await {} };
            timeout(DRAIN, back).await.expect("who left makes room");
        };
        tokio::select! {
            () = clients => {}
            () = serving => unreachable!("nothing stops it"),
        }
    }

    #[tokio::test]
    async fn who_takes_nothing_of_an_answer_is_cut_and_who_is_slow_is_not() {
        assert_eq!(BOUNDS.stuck.as_secs(), 120);
        let stop = CancellationToken::new();
        let (address, serving) = server(&stop).await;
        let clients = async {
            let (mut stuck, mut slow) =
                (connect_from(Ipv4Addr::LOCALHOST, address).await, connect_from(Ipv4Addr::LOCALHOST, address).await);
            assert!(is_answered(&mut stuck).await && is_answered(&mut slow).await);
            let began = Instant::now();
            let mut scrap = vec![0; 1 << 20];
            while began.elapsed() < SMALL.stuck * 4 {
                slow.read_exact(&mut scrap).await.expect("it is slow and served");
                tokio::time::sleep(SMALL.stuck / 10).await;
            }
            let rest = async { while matches!(stuck.read(&mut scrap).await, Ok(count) if count > 0) {} };
            timeout(SMALL.stuck, rest).await.expect("it was cut");
        };
        tokio::select! {
            () = clients => {}
            () = serving => unreachable!("nothing stops it"),
        }
    }
}
