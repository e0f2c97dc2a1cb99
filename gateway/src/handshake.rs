//! The WebSocket handshake on a hyper request (RFC 6455, 4.2). No extension is ever answered.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version, header};
use http_body_util::Full;
use hyper::upgrade::OnUpgrade;
use hyper_util::{rt::TokioIo, server::conn::auto::upgrade::downcast};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::{attach::Dialect, config::Limits, incoming::Incoming, outgoing::Outgoing};

/// A page sends what is typed and splits what is pasted.
const MAX_FRAMED_BYTES: usize = 64 * 1024;
/// A plain client sends what it has.
const MAX_PLAIN_BYTES: usize = 1024 * 1024;
/// How long the answer to a handshake may take to be on its way.
const UPGRADE_TIMEOUT: Duration = Duration::from_secs(10);

/// Whether a request wants to become a WebSocket.
pub(crate) fn is_upgrade<B>(request: &Request<B>) -> bool {
    has_token(request.headers(), &header::UPGRADE, "websocket")
}

/// Why a request that wants to become a WebSocket cannot: the header that is wrong.
pub(crate) fn check<B>(request: &Request<B>) -> Result<HeaderValue, &'static str> {
    let headers = request.headers();
    if request.method() != Method::GET || request.version() != Version::HTTP_11 {
        return Err("GET over HTTP/1.1");
    }
    if !has_token(headers, &header::CONNECTION, "upgrade") {
        return Err("Connection: upgrade");
    }
    if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err("Sec-WebSocket-Version: 13");
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).filter(|key| key.len() == 24);
    key.cloned().ok_or("Sec-WebSocket-Key of 16 bytes in base64")
}

/// The answer that completes the handshake.
pub(crate) fn switch(key: &HeaderValue, subprotocol: Option<&'static str>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    let accept = HeaderValue::try_from(derive_accept_key(key.as_bytes())).expect("base64 is ASCII");
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    if let Some(name) = subprotocol {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(name));
    }
    response
}

/// The two directions of the socket, once the answer is on its way, served by the runtime that asks for them and no longer
/// by that of the request. `None` when the viewer has left.
pub(crate) async fn socket(upgrade: OnUpgrade, dialect: Dialect, limits: &Limits) -> Option<(Incoming, Outgoing)> {
    let limit = match dialect {
        Dialect::Framed => MAX_FRAMED_BYTES,
        Dialect::Plain => MAX_PLAIN_BYTES,
    };
    let upgraded = timeout(UPGRADE_TIMEOUT, upgrade).await.ok()?.ok()?;
    let parts = downcast::<TokioIo<TcpStream>>(upgraded).expect("every server here listens on TCP");
    let socket = parts.io.into_inner().into_std().and_then(TcpStream::from_std).ok()?;
    let (read, write) = socket.into_split();
    Some((Incoming::new(read, parts.read_buf, limit), Outgoing::new(write, limits.send_timeout)))
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|value| value.trim().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(change: fn(&mut HeaderMap)) -> Request<()> {
        let mut request = Request::new(());
        let headers = request.headers_mut();
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("keep-alive, Upgrade"));
        headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        headers.insert(header::SEC_WEBSOCKET_KEY, HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ=="));
        change(headers);
        request
    }

    #[test]
    fn the_handshake_of_the_rfc_is_answered_with_its_accept_key() {
        let request = request(|_| {});
        assert!(is_upgrade(&request));
        let response = switch(&check(&request).expect("good"), Some("bearer"));
        assert_eq!(response.headers()[header::SEC_WEBSOCKET_ACCEPT], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(response.headers()[header::SEC_WEBSOCKET_PROTOCOL], "bearer");
    }

    #[test]
    fn a_broken_handshake_is_refused() {
        assert!(check(&request(|headers| drop(headers.remove(header::CONNECTION)))).is_err());
        assert!(check(&request(|headers| drop(headers.remove(header::SEC_WEBSOCKET_KEY)))).is_err());
        assert!(
            check(&request(|headers| drop(
                headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("8"))
            )))
            .is_err()
        );
        assert!(!is_upgrade(&request(|headers| drop(headers.remove(header::UPGRADE)))));
    }
}
