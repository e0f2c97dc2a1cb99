//! The one address of several controllers and gateways on a machine: terminals go to the gateways, everything else to the
//! controllers, in turn. Whoever refuses a connection is passed over, so one that drains or has died is not noticed.
//!
//! Requests and answers pass as they came: a controller judges its caller as if it had called it directly.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::body::Body;
use http::{HeaderValue, Request, Response, StatusCode, Version, header, uri::PathAndQuery};
use hyper::{
    body::{Body as _, Incoming},
    client::conn::http1,
    service::service_fn,
    upgrade::OnUpgrade,
};
use hyper_util::rt::TokioIo;
use podling_daemon::{health::Serving, http as server, problem::Problem};
use podling_gateway::Gateway;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::debug;

/// On one machine a connection stands at once, or its server is gone.
const CONNECT: Duration = Duration::from_secs(2);
/// How long an answer may take to begin: longer than any server here takes for one.
const ANSWER: Duration = Duration::from_secs(40);
/// How long carried sockets may take to end once the servers have sent their viewers away.
const DRAIN: Duration = Duration::from_secs(5);

/// Servers that are as good as each other, by their number.
#[derive(Default)]
pub(super) struct Backends {
    servers: Mutex<BTreeMap<usize, SocketAddr>>,
    turn: AtomicUsize,
}

impl Backends {
    pub(super) fn put(&self, number: usize, address: SocketAddr) {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner).insert(number, address);
    }

    pub(super) fn remove(&self, number: usize) {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
    }

    /// All of them, another one first each time.
    fn in_turn(&self) -> Vec<SocketAddr> {
        let servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut order: Vec<_> = servers.values().copied().collect();
        drop(servers);
        if !order.is_empty() {
            let first = self.turn.fetch_add(1, Ordering::Relaxed) % order.len();
            order.rotate_left(first);
        }
        order
    }
}

async fn connect(address: SocketAddr) -> Option<TcpStream> {
    match timeout(CONNECT, TcpStream::connect(address)).await {
        Ok(Ok(socket)) => {
            let _ = socket.set_nodelay(true); // Only latency would suffer.
            Some(socket)
        }
        refused => {
            debug!(%address, ?refused, "a server is passed over");
            None
        }
    }
}

#[derive(Clone, Default)]
pub(super) struct Front {
    pub(super) controllers: Arc<Backends>,
    pub(super) gateways: Arc<Backends>,
    /// Whether more traffic is wanted here. The controllers, who serve to the last, cannot tell.
    pub(super) serving: Serving,
    /// Connections to servers, and terminals that are carried.
    carrying: TaskTracker,
}

impl Front {
    /// Serves until `stop`.
    pub(super) async fn serve(self, listener: TcpListener, stop: CancellationToken) {
        let front = self.clone();
        let service = service_fn(move |request| {
            let front = front.clone();
            async move { Ok::<_, Infallible>(front.pass(request).await) }
        });
        server::serve(listener, service, stop).await;
        self.carrying.close();
        let _ = timeout(DRAIN, self.carrying.wait()).await; // What is left ends with the runtime.
    }

    async fn pass(&self, request: Request<Incoming>) -> Response<Body> {
        if request.uri().path() == "/servez" && !self.serving.is_serving() {
            return Problem::unavailable("server").response().map(Body::new);
        }
        let (backends, what) = match Gateway::is_mine(request.uri().path()) {
            true => (&self.gateways, "gateway"),
            false => (&self.controllers, "controller"),
        };
        let asks_only = asks_only(&request);
        let (parts, body) = request.map(Body::new).into_parts();
        let mut body = Some(body);
        for address in backends.in_turn() {
            let Some(socket) = connect(address).await else { continue };
            let Some(body) = (if asks_only { Some(Body::empty()) } else { body.take() }) else { break };
            let request = Request::from_parts(parts.clone(), body);
            match timeout(ANSWER, self.forward(socket, request)).await {
                Ok(Ok(response)) => return response,
                Ok(Err(error)) => debug!(%error, "a {what} broke off"),
                Err(_) => debug!("a {what} does not answer"),
            }
        }
        Problem::unavailable(what).response().map(Body::new)
    }

    async fn forward(&self, socket: TcpStream, mut request: Request<Body>) -> hyper::Result<Response<Body>> {
        let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
        self.carrying.spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                debug!(%error, "a connection to a server ended");
            }
        });
        let client = request.extensions_mut().remove::<OnUpgrade>();
        let mut response = sender.send_request(as_http1(request)).await?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            if let Some(client) = client {
                self.carrying.spawn(carry(client, hyper::upgrade::on(&mut response)));
            }
        } else {
            // Of this connection and the server's, not of the client's.
            response.headers_mut().remove(header::CONNECTION);
        }
        Ok(response.map(Body::new))
    }
}

/// Whether nothing can have happened twice when a second server is asked because the first broke off.
fn asks_only(request: &Request<Incoming>) -> bool {
    request.method().is_safe() && request.body().is_end_stream() && !request.headers().contains_key(header::UPGRADE)
}

/// HTTP/2 names the host elsewhere, and servers want the path alone. Who names two hosts is passed on with both: to judge
/// that is for the server.
fn as_http1<B>(mut request: Request<B>) -> Request<B> {
    let named = request.uri().authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok());
    let host = named.clone().map(|named| request.headers_mut().entry(header::HOST).or_insert(named).clone());
    if host == named {
        let path = request.uri().path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
        *request.uri_mut() = path.into();
    }
    *request.version_mut() = Version::HTTP_11;
    request
}

/// A terminal, from the moment it is one.
async fn carry(client: OnUpgrade, server: OnUpgrade) {
    let Ok((client, server)) = tokio::try_join!(client, server) else { return };
    // However it ends, both sides know.
    let _ = copy_bidirectional(&mut TokioIo::new(client), &mut TokioIo::new(server)).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_take_turns_and_one_that_is_gone_is_left_out() {
        let backends = Backends::default();
        let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        assert!(backends.in_turn().is_empty());
        for number in 0..3_u16 {
            backends.put(number.into(), at(number));
        }
        assert_eq!(backends.in_turn(), [at(0), at(1), at(2)]);
        assert_eq!(backends.in_turn(), [at(1), at(2), at(0)]);
        backends.remove(1);
        assert_eq!(backends.in_turn().len(), 2);
    }

    #[test]
    fn a_caller_that_names_two_hosts_is_passed_on_with_both() {
        let check = |uri: &str, host: Option<&str>, expected: (&str, &str)| {
            let mut request = Request::builder().uri(uri).version(Version::HTTP_2);
            if let Some(host) = host {
                request = request.header(header::HOST, host);
            }
            let passed = as_http1(request.body(()).expect("a request"));
            let host = passed.headers()[header::HOST].to_str().expect("ASCII");
            assert_eq!((passed.uri().to_string().as_str(), host), expected, "{uri}");
            assert_eq!(passed.version(), Version::HTTP_11);
        };
        check("/a?b=c", Some("own"), ("/a?b=c", "own"));
        check("http://own/a", Some("own"), ("/a", "own"));
        check("http://own/a", None, ("/a", "own"));
        check("http://evil/a", Some("own"), ("http://evil/a", "own"));
    }
}
