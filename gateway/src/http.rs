//! Which request is what: the terminal page, a file of it, or an upgrade.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use podling_daemon::{problem::Problem, request::Context};
use podling_session::{id::Uid, refusal::Refusal};
use tracing::debug;

use crate::{
    Inner,
    admit::{self, Admission},
    assets,
    attach::{self, Ask, Dialect, Offer},
    bridge,
    close::Refused,
    handshake, origin,
};

type Answer = Response<Full<Bytes>>;

pub(crate) async fn handle<B>(gateway: &Arc<Inner>, request: Request<B>) -> Answer {
    let mut answer = answer(gateway, request).await;
    if let Some(hsts) = gateway.config.browsers.hsts {
        let value = HeaderValue::try_from(format!("max-age={}", hsts.as_secs())).expect("digits are visible");
        answer.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, value);
    }
    answer
}

async fn answer<B>(gateway: &Arc<Inner>, request: Request<B>) -> Answer {
    let path = request.uri().path();
    if let Some(uid) = path.strip_prefix("/ws/") {
        let uid = uid.parse().ok();
        if handshake::is_upgrade(&request) {
            return upgrade(gateway, uid, request).await;
        }
        return read_only(&request).unwrap_or_else(|| page(uid, &request));
    }
    let Some(name) = path.strip_prefix(assets::PREFIX) else { return not_found() };
    read_only(&request).unwrap_or_else(|| assets::file(name, request.headers()).unwrap_or_else(not_found))
}

/// Any well-formed uid gets the page: whether the session exists is for who holds a token to learn.
fn page<B>(uid: Option<Uid>, request: &Request<B>) -> Answer {
    let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    match uid {
        Some(_) => assets::terminal_page(),
        None if accept.is_some_and(|accept| accept.contains("text/html")) => assets::not_found_page(),
        None => not_found(),
    }
}

fn read_only<B>(request: &Request<B>) -> Option<Answer> {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return None;
    }
    let problem =
        Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Only GET and HEAD are answered here");
    let mut response = problem.response();
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    Some(response)
}

fn not_found() -> Answer {
    Problem::new(StatusCode::NOT_FOUND, "not-found", "Nothing is here").response()
}

/// Everything is decided before the upgrade, so that a plain client learns of a refusal by its status.
async fn upgrade<B>(gateway: &Arc<Inner>, uid: Option<Uid>, mut request: Request<B>) -> Answer {
    let key = match handshake::check(&request) {
        Ok(key) => key,
        Err(rule) => return bad_handshake(rule),
    };
    if !origin::may_attach(&request, &gateway.config.browsers.allowed_origins) {
        return foreign_origin();
    }
    let upgraded = hyper::upgrade::on(&mut request);
    let names = request.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    let offer = Offer::new(names.filter_map(|value| value.to_str().ok()));
    let query = request.uri().query().unwrap_or_default();
    match decide(gateway, uid, &offer, query).await {
        Ok((ask, admission)) => {
            let (uid, viewer) = (ask.uid, bridge::run(Arc::clone(gateway), upgraded, ask, admission));
            // Runner and controller are told of the viewer's request as long as it lasts.
            let context = Context::current().unwrap_or_else(|| Context::read(request.headers(), None));
            gateway.shards.spawn(&gateway.sockets, uid, context.scope(viewer));
        }
        Err(refused) => {
            debug!(refusal = refused.refusal.problem_type(), "an attach was refused");
            metrics::counter!("podling_gateway_refusals_total", "refusal" => refused.refusal.problem_type())
                .increment(1);
            let told = match offer.dialect() {
                Dialect::Plain => None,
                Dialect::Framed => gateway.crowd.may_refuse(),
            };
            let Some(told) = told else { return refused.problem().response() };
            let limits = gateway.config.limits;
            gateway.sockets.spawn(async move {
                bridge::refuse(upgraded, refused, limits).await;
                drop(told);
            });
        }
    }
    handshake::switch(&key, offer.selected())
}

async fn decide(
    gateway: &Inner,
    uid: Option<Uid>,
    offer: &Offer<'_>,
    query: &str,
) -> Result<(Ask, Admission), Refused> {
    if gateway.draining.is_cancelled() {
        return Err(Refusal::Unavailable.into());
    }
    let uid = uid.ok_or(Refusal::NoSuchSession)?;
    let ask = attach::parse(uid, offer, query)?;
    let _pass = gateway.crowd.enter(&ask.capability, gateway.sockets.len()).await?;
    let admission = admit::admit(gateway, &ask).await?;
    Ok((ask, admission))
}

/// Before anything is looked at: the page of another origin learns nothing.
fn foreign_origin() -> Answer {
    metrics::counter!("podling_gateway_refusals_total", "refusal" => "foreign-origin").increment(1);
    let detail = "Pages of this origin may not open terminals here";
    Problem::new(StatusCode::FORBIDDEN, "foreign-origin", detail).response()
}

fn bad_handshake(rule: &str) -> Answer {
    let detail = format!("A WebSocket handshake needs {rule}");
    let mut response = Problem::new(StatusCode::BAD_REQUEST, "bad-handshake", detail).response();
    response.headers_mut().insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    response
}
