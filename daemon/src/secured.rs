//! TCP connections that have shown that they speak HTTP/2 over TLS, and how many of them there may be.

use std::{
    io::{self, IoSlice},
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf, Bytes};
use futures_util::{Stream, stream};
use rustls::pki_types::CertificateDer;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tonic::transport::server::Connected;
use tracing::{debug, warn};

use crate::{
    http::{ACCEPT_PAUSE, accept},
    tls::Identity,
};

/// How long who connects may take to TLS and its first words.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Handshakes at once: they cost processor time, and strangers may begin them.
const MAX_HANDSHAKES: usize = 256;
/// Past it, who connects waits until another leaves. A runner has one connection, so has a viewer's gateway.
const MAX_CONNECTIONS: usize = 16_384;
/// What an HTTP/2 connection begins with (RFC 9113, 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

struct Accepting {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    room: Arc<Semaphore>,
    handshakes: JoinSet<Option<Secured>>,
}

/// The connections that have come through.
pub(crate) fn incoming(listener: TcpListener, identity: &Identity) -> impl Stream<Item = io::Result<Secured>> {
    let accepting = Accepting {
        listener,
        acceptor: TlsAcceptor::from(identity.config()),
        room: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
        handshakes: JoinSet::new(),
    };
    stream::unfold(accepting, |mut accepting| async move {
        let secured = accepting.next().await;
        Some((Ok(secured), accepting))
    })
}

impl Accepting {
    async fn next(&mut self) -> Secured {
        loop {
            tokio::select! {
                Some(shaken) = self.handshakes.join_next() => {
                    if let Ok(Some(secured)) = shaken {
                        return secured;
                    }
                }
                accepted = accept(&self.listener, &self.room), if self.handshakes.len() < MAX_HANDSHAKES => {
                    match accepted {
                        Ok((socket, peer, room)) => {
                            self.handshakes.spawn(handshake(self.acceptor.clone(), socket, peer, room));
                        }
                        Err(error) => {
                            warn!(%error, "accepting a connection failed");
                            sleep(ACCEPT_PAUSE).await;
                        }
                    }
                }
            }
        }
    }
}

/// None for whom it is not worth a word to anybody: scanners, and clients that trust somebody else.
async fn handshake(
    acceptor: TlsAcceptor,
    socket: TcpStream,
    peer: SocketAddr,
    room: OwnedSemaphorePermit,
) -> Option<Secured> {
    let shaking = async {
        socket.set_nodelay(true)?;
        let mut stream = acceptor.accept(socket).await?;
        let mut preface = [0; PREFACE.len()];
        stream.read_exact(&mut preface).await?;
        match preface == *PREFACE {
            true => Ok(Secured { preface: Bytes::from_static(PREFACE), stream, peer, _room: room }),
            false => Err(io::Error::new(io::ErrorKind::InvalidData, "it does not speak HTTP/2")),
        }
    };
    match timeout(HANDSHAKE, shaking).await {
        Ok(Ok(secured)) => Some(secured),
        Ok(Err(error)) => {
            debug!(%error, "a connection was refused");
            None
        }
        Err(_) => {
            debug!("a connection took too long to begin");
            None
        }
    }
}

/// A connection whose first words were read already.
pub(crate) struct Secured {
    /// What is left of them for who reads.
    preface: Bytes,
    stream: TlsStream<TcpStream>,
    peer: SocketAddr,
    _room: OwnedSemaphorePermit,
}

impl AsyncRead for Secured {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.preface.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        let length = self.preface.len().min(buffer.remaining());
        buffer.put_slice(&self.preface[..length]);
        self.preface.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Secured {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Who is at the other end of a connection; in every call's extensions.
#[derive(Clone, Debug)]
pub struct Remote {
    pub address: SocketAddr,
    /// What it proved to be, by a certificate of the authority that the server asks for.
    pub certificate: Option<CertificateDer<'static>>,
}

impl Connected for Secured {
    type ConnectInfo = Remote;

    fn connect_info(&self) -> Remote {
        let shown = self.stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        Remote { address: self.peer, certificate: shown.map(|certificate| certificate.clone().into_owned()) }
    }
}
