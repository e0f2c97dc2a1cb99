//! git's one way out: a proxy on the loopback of its sandbox, which is otherwise without a network.
//!
//! For each connection it makes the check of a download (`reach`) and connects to the address that was checked, so that
//! no redirect leads git where a download may not go. Of a source at https nothing is fetched in the clear.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Empty, combinators::BoxBody};
use hyper::{
    body::Incoming,
    client::conn::http1 as client,
    server::conn::http1 as server,
    service::service_fn,
    upgrade::{OnUpgrade, on},
};
use hyper_util::rt::{TokioIo, TokioTimer};
use podling_session::code_hosts::CodeHosts;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};
use tracing::{debug, warn};
use url::Url;

use super::{Limits, SourceError, reach};
use crate::pump::pump;

/// git opens one or two at a time.
const MAX_CONNECTIONS: usize = 16;

/// Serves as long as it lives.
pub(crate) struct Proxy {
    port: u16,
    refusal: Arc<Mutex<Option<SourceError>>>,
    _serving: JoinSet<()>,
}

impl Proxy {
    /// Begins to serve the fetching of one repository.
    pub(crate) fn serve(
        listener: TcpListener,
        repository: &Url,
        hosts: CodeHosts,
        limits: Limits,
    ) -> io::Result<Proxy> {
        let (port, refusal) = (listener.local_addr()?.port(), Arc::default());
        let left = Arc::new(AtomicU64::new(limits.archive_bytes));
        let in_the_clear = repository.scheme() == "http";
        let rules = Rules { hosts, limits, in_the_clear, left, refusal: Arc::clone(&refusal) };
        let mut serving = JoinSet::new();
        serving.spawn(accept(listener, Arc::new(rules)));
        Ok(Proxy { port, refusal, _serving: serving })
    }

    /// As git is told of it.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The first connection that was refused, or failed, if any.
    pub(crate) fn refusal(&self) -> Option<SourceError> {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// What all connections of one clone share.
struct Rules {
    hosts: CodeHosts,
    limits: Limits,
    /// Whether plain http is passed on.
    in_the_clear: bool,
    /// Bytes that may still pass, either way.
    left: Arc<AtomicU64>,
    refusal: Arc<Mutex<Option<SourceError>>>,
}

async fn accept(listener: TcpListener, rules: Arc<Rules>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                Ok((socket, _)) => _ = connections.spawn(serve(socket, Arc::clone(&rules))),
                Err(error) => return warn!(%error, "git's proxy can accept no more"),
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

type Body = BoxBody<Bytes, hyper::Error>;

/// What goes on beside the answers of one connection.
#[derive(Default)]
struct Beside {
    /// A tunnel that was granted.
    tunnel: Option<(OnUpgrade, Metered)>,
    /// Drives connections to servers.
    driving: JoinSet<()>,
}

async fn serve(socket: TcpStream, rules: Arc<Rules>) {
    let beside = Arc::new(Mutex::new(Beside::default()));
    let service = service_fn(|request| answer(request, Arc::clone(&rules), Arc::clone(&beside)));
    let mut server = server::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(rules.limits.idle);
    let served = server.serve_connection(TokioIo::new(socket), service).with_upgrades().await;
    let tunnel = beside.lock().unwrap_or_else(PoisonError::into_inner).tunnel.take();
    if let (Ok(()), Some((upgrade, far))) = (&served, tunnel) {
        let passed = match upgrade.await {
            Ok(near) => pump(TokioIo::new(near), far, rules.limits.idle).await,
            Err(error) => Err(io::Error::other(error)),
        };
        debug!(?passed, "a tunnel of git's has ended");
    }
}

async fn answer(
    request: Request<Incoming>,
    rules: Arc<Rules>,
    beside: Arc<Mutex<Beside>>,
) -> Result<Response<Body>, hyper::Error> {
    let answered = match *request.method() {
        Method::CONNECT => tunnel(request, &rules, &beside).await,
        _ => forward(request, &rules, &beside).await,
    };
    Ok(answered.unwrap_or_else(|error| {
        rules.refusal.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        let mut response = Response::new(empty());
        *response.status_mut() = StatusCode::FORBIDDEN;
        response
    }))
}

fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed()
}

async fn tunnel(
    mut request: Request<Incoming>,
    rules: &Rules,
    beside: &Mutex<Beside>,
) -> Result<Response<Body>, SourceError> {
    let authority = request.uri().authority().ok_or(SourceError::Url("the URL has no host"))?;
    let url = format!("https://{authority}/").parse().map_err(|_| SourceError::Url("the URL has no host"))?;
    let far = connect(&url, rules).await?;
    let upgrade = on(&mut request);
    beside.lock().unwrap_or_else(PoisonError::into_inner).tunnel = Some((upgrade, far));
    Ok(Response::new(empty()))
}

/// Names that are between git and us (RFC 9110, 7.6.1).
const OURS: [&str; 6] = ["connection", "proxy-connection", "proxy-authorization", "keep-alive", "te", "upgrade"];

async fn forward(
    mut request: Request<Incoming>,
    rules: &Rules,
    beside: &Mutex<Beside>,
) -> Result<Response<Body>, SourceError> {
    let url: Url = request.uri().to_string().parse().map_err(|_| SourceError::Url("the URL has no host"))?;
    if !rules.in_the_clear {
        return Err(SourceError::Redirect("a redirect leads from https to http"));
    }
    let far = connect(&url, rules).await?;
    let broke = |source: hyper::Error| SourceError::Passed { host: shown_host(&url), source };
    let (mut sender, connection) = client::handshake(TokioIo::new(far)).await.map_err(broke)?;
    let driving = async {
        if let Err(error) = connection.await {
            debug!(%error, "a connection of git's broke off");
        }
    };
    beside.lock().unwrap_or_else(PoisonError::into_inner).driving.spawn(driving);
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).parse();
    *request.uri_mut() = path.map_err(|_| SourceError::Url("the URL has no path"))?;
    strip(request.headers_mut());
    let authority = url.authority().parse::<HeaderValue>().map_err(|_| SourceError::Url("the URL has no host"))?;
    request.headers_mut().insert(header::HOST, authority);
    let mut response = sender.send_request(request).await.map_err(broke)?;
    strip(response.headers_mut());
    Ok(response.map(BodyExt::boxed))
}

fn strip(headers: &mut HeaderMap) {
    for name in OURS {
        headers.remove(name);
    }
}

async fn connect(url: &Url, rules: &Rules) -> Result<Metered, SourceError> {
    let target = reach::resolve(url, &rules.hosts, rules.limits.connect).await?;
    let connecting = timeout(rules.limits.connect, TcpStream::connect(&target.addresses[..])).await;
    match connecting.map_err(io::Error::from).flatten() {
        Ok(socket) => Ok(Metered { socket, left: Arc::clone(&rules.left) }),
        Err(source) => Err(SourceError::Connect { host: target.host, source }),
    }
}

fn shown_host(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}

/// A connection that breaks off when too much has passed.
struct Metered {
    socket: TcpStream,
    left: Arc<AtomicU64>,
}

impl Metered {
    fn spend(&self, bytes: usize) -> io::Result<()> {
        let spent = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes as u64));
        spent.map(|_| ()).map_err(|_| io::ErrorKind::QuotaExceeded.into())
    }
}

impl AsyncRead for Metered {
    fn poll_read(mut self: Pin<&mut Self>, task: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(task, buffer))?;
        Poll::Ready(self.spend(buffer.filled().len() - before))
    }
}

impl AsyncWrite for Metered {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.socket).poll_write(task, bytes))?;
        Poll::Ready(self.spend(written).map(|()| written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(task)
    }
}
