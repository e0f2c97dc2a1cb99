//! Connections to gRPC servers: over Unix sockets on one machine, over TCP with TLS elsewhere.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpStream, UnixStream},
    time::timeout,
};
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};

pub use crate::address::{Address, InvalidAddress};
use crate::{address::Host, stream::Stream, tls::Trust};

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

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRoute {
    #[error("{0} needs a certificate or an authority to trust")]
    Untrusted(Address),
    #[error("there is no address")]
    Empty,
}

/// The addresses of one server, or of several that are as good as each other, and what those on TLS have to prove. Clones
/// share the turn.
#[derive(Clone, Debug)]
pub struct Route {
    places: Arc<[Place]>,
    /// Where the next connection begins to look: behind the last, which is lost or another was not wanted.
    turn: Arc<AtomicUsize>,
}

#[derive(Debug)]
enum Place {
    Unix(PathBuf),
    UnixIn(PathBuf),
    Tls { host: Host, port: u16, trust: Trust },
}

impl From<PathBuf> for Route {
    /// To a Unix socket, whose place in the file system is all that it has to prove.
    fn from(socket: PathBuf) -> Route {
        Route { places: Arc::new([Place::Unix(socket)]), turn: Arc::default() }
    }
}

impl Route {
    /// To the first address at first, then to the next at each loss and each refusal.
    ///
    /// # Errors
    /// When there is no address, or one on TLS and nothing to trust.
    pub fn new(addresses: Vec<Address>, trust: Option<&Trust>) -> Result<Route, NoRoute> {
        let places = addresses.into_iter().map(|address| place(address, trust)).collect::<Result<Arc<[_]>, _>>()?;
        match places.is_empty() {
            true => Err(NoRoute::Empty),
            false => Ok(Route { places, turn: Arc::default() }),
        }
    }

    /// The same, beginning anywhere, so that many clients do not all begin at the first.
    #[must_use]
    pub fn shuffled(self) -> Route {
        self.turn.store(rand::random_range(0..self.places.len()), Ordering::Relaxed);
        self
    }

    /// A channel that connects at its first use and again after a loss.
    pub fn channel(&self) -> Channel {
        let route = self.clone();
        self.endpoint().connect_with_connector_lazy(tower::service_fn(move |_| route.clone().dial()))
    }

    /// A channel that stands, or why it does not.
    pub async fn connect(&self) -> Result<Channel, tonic::transport::Error> {
        let route = self.clone();
        self.endpoint().connect_with_connector(tower::service_fn(move |_| route.clone().dial())).await
    }

    async fn dial(self) -> io::Result<TokioIo<Stream>> {
        let count = self.places.len();
        let first = self.turn.load(Ordering::Relaxed);
        let patience = CONNECT_TIMEOUT / u32::try_from(count).unwrap_or(u32::MAX);
        let mut refused = None;
        for turn in first..first + count {
            match timeout(patience, self.places[turn % count].dial()).await {
                Ok(Ok(stream)) => {
                    self.turn.store((turn + 1) % count, Ordering::Relaxed);
                    return Ok(TokioIo::new(stream));
                }
                Ok(Err(error)) => refused = Some(error),
                Err(_) => refused = Some(io::ErrorKind::TimedOut.into()),
            }
        }
        Err(refused.expect("a route has a place"))
    }

    fn endpoint(&self) -> Endpoint {
        let authority = self.places.iter().find_map(|place| match place {
            Place::Tls { host, port, .. } => Some(format!("https://{host}:{port}")),
            Place::Unix(_) | Place::UnixIn(_) => None,
        });
        // HTTP/2 wants an authority also where it is of no use. As the endpoint's own it would ask for the library's TLS.
        let authority = authority.and_then(|authority| authority.parse().ok());
        let endpoint = Endpoint::from_static("http://podling");
        let endpoint = match authority {
            Some(authority) => endpoint.origin(authority),
            None => endpoint,
        };
        endpoint
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(PING_AFTER)
            .keep_alive_timeout(PING_TIMEOUT)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
    }
}

fn place(address: Address, trust: Option<&Trust>) -> Result<Place, NoRoute> {
    match (address, trust) {
        (Address::Unix(path), _) => Ok(Place::Unix(path)),
        (Address::UnixIn(directory), _) => Ok(Place::UnixIn(directory)),
        (Address::Tls { host, port }, Some(trust)) => Ok(Place::Tls { host, port, trust: trust.clone() }),
        (address, None) => Err(NoRoute::Untrusted(address)),
    }
}

impl Place {
    async fn dial(&self) -> io::Result<Stream> {
        match self {
            Place::Unix(path) => unix(path).await,
            Place::UnixIn(directory) => any(directory).await,
            Place::Tls { host, port, trust } => {
                let socket = TcpStream::connect((host.plain(), *port)).await?;
                socket.set_nodelay(true)?;
                let secured = TlsConnector::from(trust.config()).connect(host.name(), socket).await?;
                // A server that chose no protocol would take our frames for something else.
                match secured.get_ref().1.alpn_protocol() {
                    Some(crate::tls::ALPN) => Ok(Stream::Tls(Box::new(secured))),
                    _ => Err(io::Error::new(io::ErrorKind::InvalidData, "the server does not speak HTTP/2")),
                }
            }
        }
    }
}

async fn unix(path: &Path) -> io::Result<Stream> {
    Ok(Stream::Unix(UnixStream::connect(path).await?.try_into()?))
}

/// Whoever answers first, in an order of chance.
async fn any(directory: &Path) -> io::Result<Stream> {
    let mut sockets = Vec::new();
    let mut entries = tokio::fs::read_dir(directory).await?;
    while let Some(entry) = entries.next_entry().await? {
        sockets.push(entry.path());
    }
    let mut refused = io::Error::new(io::ErrorKind::NotFound, "the directory has no socket");
    while !sockets.is_empty() {
        let socket = sockets.swap_remove(rand::random_range(0..sockets.len()));
        match unix(&socket).await {
            Ok(stream) => return Ok(stream),
            Err(error) => refused = error, // A dead process leaves its socket behind.
        }
    }
    Err(refused)
}
