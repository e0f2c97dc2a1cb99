//! `GET /api/events` and `/api/sessions/{id}/events`: what happens to the caller's sessions, as server-sent events
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).
//!
//! An event's id is its place in the order of all; who comes back with the last one it got misses nothing and is told
//! nothing twice.

use std::{
    collections::{HashMap, VecDeque},
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Extension,
    extract::{RawQuery, State},
    response::{
        IntoResponse, Response,
        sse::{self, KeepAlive, Sse},
    },
};
use futures_util::{StreamExt, stream};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use jiff::Timestamp;
use podling_daemon::problem::Problem;
use podling_session::{
    event::{Cursor, Told},
    id::Uid,
    principal::{Owner, Reach},
    spec::InvalidField,
    store::StoreError,
};
use serde::Serialize;
use tokio::time::{Instant, sleep, timeout};
use tracing::warn;
use utoipa::{IntoParams, ToSchema};

use super::{
    Door,
    caller::Reads,
    named::Named,
    openapi::{EventsRefusals, SessionEventsRefusals},
    query::Since,
    refusal::Refusal,
};
use crate::{core::Core, drain, sessions};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const DELETED: &str = "session.deleted";

/// Streams of one owner, of whatever session.
const STREAMS_PER_OWNER: usize = 16;
/// Streams at one controller. Each looks at the store once a second, and after a change.
const STREAMS: usize = 512;
/// Who is refused for their number tries again when some may have ended.
const RETRY: Duration = Duration::from_secs(5);
/// A comment, where nothing else was said: proxies end what is silent.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Then the stream ends, and its client comes back and shows its key again, which may have been revoked.
const LIFE: Duration = Duration::from_secs(15 * 60);
/// Hints may be lost; the store is looked at this often in any case.
const POLL: Duration = Duration::from_secs(1);
/// One look for all the changes of a moment.
const REST: Duration = Duration::from_millis(100);
/// How long one look may take.
const LOOK: Duration = Duration::from_secs(5);
/// Events that are read at once.
const AT_ONCE: u32 = 256;

/// What happened to a session.
#[derive(Serialize, ToSchema)]
pub(super) struct EventView {
    /// The session's id.
    id: String,
    uid: String,
    /// Of this session, from 1 on, without gaps.
    sequence: u64,
    /// Such as session.created, session.starting, session.running, session.ended, session.released, session.deleted or
    /// log.gap. More may come.
    kind: String,
    at: Timestamp,
    /// One sentence for people.
    detail: String,
}

/// One event of the stream: what `data` has is an EventView as JSON.
#[derive(ToSchema)]
#[expect(dead_code, reason = "a shape for the description")]
struct FramedEvent {
    #[schema(pattern = "^[0-9]+-[0-9]+$")]
    id: String,
    #[schema(content_media_type = "application/json")]
    data: String,
}

/// Where a client goes on that comes back.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "the description of what `since` reads")]
struct LastEvent {
    /// The id of the last event that came.
    #[param(rename = "Last-Event-ID", value_type = String, required = false, pattern = "^([0-9]{1,19}-[0-9]{1,18})?$")]
    id: Option<String>,
}

/// What happens to the caller's sessions, from now on or after an event.
///
/// The data of each is JSON (Event), without a type of its own, and its id is a place to come back to. A comment comes
/// every 15 s. A stream ends after 15 minutes, or when its server is being replaced: come back with Last-Event-ID.
#[utoipa::path(
    get, path = "/api/events", operation_id = "followEvents", tag = "sessions",
    params(Since, LastEvent),
    responses((status = 200, description = "Events, without end", body = FramedEvent, content_type = "text/event-stream"),
        EventsRefusals),
)]
pub(super) async fn all(
    State(door): State<Arc<Door>>,
    caller: Reads,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    Extension(listeners): Extension<Listeners>,
) -> Result<Response, Refusal> {
    let since = since(query.as_deref(), &headers)?;
    Following::begin(&door, caller, None, since, &listeners).await
}

/// What happens to one session, from its beginning on or after an event; ends when it is deleted.
#[utoipa::path(
    get, path = "/api/sessions/{id}/events", operation_id = "followSessionEvents", tag = "sessions",
    params(Named, Since, LastEvent),
    responses((status = 200, description = "Events", body = FramedEvent, content_type = "text/event-stream"),
        SessionEventsRefusals),
)]
pub(super) async fn of_session(
    State(door): State<Arc<Door>>,
    caller: Reads,
    Named(id): Named,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    Extension(listeners): Extension<Listeners>,
) -> Result<Response, Refusal> {
    let since = since(query.as_deref(), &headers)?.or(Some(Cursor::default()));
    let session = sessions::get(&door.core, &caller.reach(), &id).await?;
    Following::begin(&door, caller, Some(session.uid), since, &listeners).await
}

/// The header, which browsers send when they come back by themselves, goes before the query, which is still that of the
/// first time.
fn since(query: Option<&str>, headers: &HeaderMap) -> Result<Option<Cursor>, InvalidField> {
    let asked = Since::parse(query.unwrap_or_default())?;
    let header = headers.get(LAST_EVENT_ID).filter(|value| !value.is_empty());
    let Some(header) = header else { return Ok(asked) };
    let cursor = header.to_str().ok().and_then(|text| text.parse().ok());
    let refused = || InvalidField::new("Last-Event-ID", "Last-Event-ID must be the id of an event");
    cursor.map(Some).ok_or_else(refused)
}

struct Following {
    core: Core,
    reach: Reach,
    of: Option<Uid>,
    next: Cursor,
    told: VecDeque<Told>,
    until: Instant,
    over: bool,
    _place: Place,
}

impl Following {
    async fn begin(
        door: &Door,
        caller: Reads,
        of: Option<Uid>,
        since: Option<Cursor>,
        listeners: &Listeners,
    ) -> Result<Response, Refusal> {
        let (core, reach) = (door.core.clone(), caller.reach());
        let place = listeners.enter(caller.owner())?;
        // The first look is made for the head of the answer: a store that is down is a status.
        let tidings = core.sessions.tidings(&reach, of, since, AT_ONCE).await.map_err(sessions::Error::from)?;
        let (told, next) = (tidings.told.into(), tidings.next);
        let until = Instant::now() + LIFE;
        let following = Following { core, reach, of, next, told, until, over: false, _place: place };
        // Clients come back after a second, and from here, if nothing happens meanwhile.
        let hello = sse::Event::default().retry(Duration::from_secs(1)).id(next_id(&following)).comment("podling");
        let events = stream::unfold(following, |mut following| async move {
            let event = following.next().await?;
            Some((Ok::<_, Infallible>(render(&event)), following))
        });
        let events = stream::iter([Ok(hello)]).chain(events).boxed();
        let last = Ok(sse::Event::default().comment("the controller is draining"));
        let keep = KeepAlive::new().interval(HEARTBEAT);
        let mut response = Sse::new(drain::until(door.cut.clone(), events, last)).keep_alive(keep).into_response();
        response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
        Ok(response)
    }

    /// The next event; none when the stream is over.
    async fn next(&mut self) -> Option<Told> {
        loop {
            if let Some(told) = self.told.pop_front() {
                self.over = self.of.is_some() && told.event.kind == DELETED;
                return Some(told);
            }
            if self.over || Instant::now() >= self.until {
                return None;
            }
            let core = self.core.clone();
            let changed = core.system.changed(); // Made before the look that would miss it.
            match timeout(LOOK, self.look()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    warn!(error = &error as &dyn std::error::Error, "a stream of events is cut: the store failed");
                    return None;
                }
                Err(_) => return None,
            }
            if self.told.is_empty() {
                sleep(REST).await;
                let _ = timeout(POLL, changed).await; // Either way it is time to look again.
            }
        }
    }

    async fn look(&mut self) -> Result<(), StoreError> {
        let tidings = self.core.sessions.tidings(&self.reach, self.of, Some(self.next), AT_ONCE).await?;
        self.next = tidings.next;
        self.told.extend(tidings.told);
        Ok(())
    }
}

/// Where a client comes back to that got no event yet.
fn next_id(following: &Following) -> String {
    match following.told.front() {
        Some(Told { event, .. }) => Cursor { row: event.cursor.row.saturating_sub(1), ..event.cursor }.to_string(),
        None => following.next.to_string(),
    }
}

fn render(told: &Told) -> sse::Event {
    let Told { id, event } = told;
    let view = EventView {
        id: id.to_string(),
        uid: event.uid.to_string(),
        sequence: event.sequence,
        kind: event.kind.clone(),
        at: event.at,
        detail: event.detail.clone(),
    };
    let data = serde_json::to_string(&view).expect("strings and numbers always serialize");
    sse::Event::default().id(event.cursor.to_string()).data(data)
}

/// Who listens here.
#[derive(Clone, Default)]
pub(super) struct Listeners(Arc<Mutex<HashMap<Owner, usize>>>);

impl Listeners {
    fn enter(&self, owner: &Owner) -> Result<Place, Refusal> {
        let mut streams = self.lock();
        let all: usize = streams.values().sum();
        let own = streams.entry(owner.clone()).or_default();
        if *own >= STREAMS_PER_OWNER || all >= STREAMS {
            let detail = format!("Too many streams of events: at most {STREAMS_PER_OWNER} at once");
            let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "event-streams", detail);
            return Err(problem.retry_after(RETRY).into());
        }
        *own += 1;
        Ok(Place { listeners: self.clone(), owner: owner.clone() })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Owner, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One stream's place; given back when dropped.
struct Place {
    listeners: Listeners,
    owner: Owner,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut streams = self.listeners.lock();
        if let Some(own) = streams.get_mut(&self.owner) {
            *own -= 1;
            if *own == 0 {
                streams.remove(&self.owner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use podling_session::principal::Principal;

    use super::*;

    #[test]
    fn an_owner_has_16_streams_and_gets_a_place_back_when_one_ends() {
        let (listeners, owner) = (Listeners::default(), Principal::local_owner().owner);
        let mut places: Vec<_> = (0..STREAMS_PER_OWNER).map(|_| listeners.enter(&owner).expect("a place")).collect();
        assert!(listeners.enter(&owner).is_err());
        let other = Owner { subject: "other".into(), ..owner.clone() };
        assert!(listeners.enter(&other).is_ok());
        places.pop();
        assert!(listeners.enter(&owner).is_ok());
        drop(places);
        assert!(listeners.lock().is_empty());
    }

    #[test]
    fn the_header_goes_before_the_query() {
        let headers = |id: &'static str| HeaderMap::from_iter([(LAST_EVENT_ID, HeaderValue::from_static(id))]);
        let cursor = |transaction, row| Some(Cursor { transaction, row });
        assert_eq!(since(None, &HeaderMap::new()).expect("none"), None);
        assert_eq!(since(Some("after=1-2"), &HeaderMap::new()).expect("a cursor"), cursor(1, 2));
        assert_eq!(since(Some("after=1-2"), &headers("3-4")).expect("a cursor"), cursor(3, 4));
        assert_eq!(since(Some("after=x"), &HeaderMap::new()).expect_err("no cursor").field, "after");
        assert_eq!(since(None, &headers("x")).expect_err("no cursor").field, "Last-Event-ID");
    }
}
