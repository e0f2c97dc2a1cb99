//! Events as they happen, over HTTP.

use std::time::Duration;

use podling_session::{id::Uid, store::SystemStore};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::app::{App, header, send};

/// One stream of server-sent events, as they come.
struct Events {
    response: Response,
    read: String,
    /// The id of the last event.
    last: String,
}

impl Events {
    async fn open(app: &App, path: &str, last: Option<&str>) -> Events {
        let mut request = app.request(Method::GET, path);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = send(request).await;
        assert_eq!(
            (response.status().as_u16(), header(&response, "content-type")),
            (200, Some("text/event-stream".into()))
        );
        Events { response, read: String::new(), last: String::new() }
    }

    /// The data of the next event; none at the end.
    async fn next(&mut self) -> Option<Value> {
        loop {
            while let Some((event, rest)) = self.read.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.read = rest;
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name).map(str::to_owned));
                if let Some(id) = field("id: ") {
                    self.last = id;
                }
                if let Some(data) = field("data: ") {
                    return Some(serde_json::from_str(&data).expect("JSON"));
                }
            }
            let chunk = timeout(Duration::from_secs(10), self.response.chunk()).await.expect("an event in time");
            let chunk = chunk.ok().flatten()?;
            self.read.push_str(std::str::from_utf8(&chunk).expect("UTF-8"));
        }
    }

    async fn kinds(&mut self, count: usize) -> Vec<String> {
        let mut kinds = Vec::new();
        for _ in 0..count {
            let event = self.next().await.expect("another event");
            kinds.push(format!("{} {}", event["id"].as_str().expect("an id"), event["kind"].as_str().expect("a kind")));
        }
        kinds
    }
}

fn named(id: &str) -> Value {
    json!({ "command": "true", "session_id": id })
}

#[tokio::test]
async fn events_come_as_they_happen_and_who_comes_back_misses_none() {
    let app = App::start().await;
    app.create(&named("before")).await;
    let mut all = Events::open(&app, "/api/events", None).await;
    app.create(&named("one")).await;
    assert_eq!(all.kinds(1).await, ["one session.created"]);
    let last = all.last.clone();
    drop(all);
    app.create(&named("two")).await;
    app.post("/api/sessions/one/stop", &json!({})).await;
    let mut again = Events::open(&app, "/api/events", Some(&last)).await;
    assert_eq!(again.kinds(2).await, ["two session.created", "one session.ended"]);
    let mut whole = Events::open(&app, "/api/events?after=0-0", None).await;
    assert_eq!(whole.kinds(4).await[0], "before session.created");
}

#[tokio::test]
async fn a_sessions_events_begin_with_its_first_and_end_with_its_deletion() {
    let app = App::start().await;
    let uid: Uid = app.create(&named("one")).await["uid"].as_str().expect("a uid").parse().expect("a uid");
    app.create(&named("two")).await;
    let mut events = Events::open(&app, "/api/sessions/one/events", None).await;
    assert_eq!(events.kinds(1).await, ["one session.created"]);
    app.store.note(uid, "log.gap", "Output is missing.").await.expect("noted");
    assert_eq!(events.next().await.expect("it is told")["detail"], "Output is missing.");
    app.delete("/api/sessions/one").await;
    assert_eq!(events.kinds(2).await, ["one session.ended", "one session.deleted"]);
    assert_eq!(events.next().await, None);
    assert_eq!(app.get("/api/sessions/one/events").await.0, 404);
}

#[tokio::test]
async fn a_17th_stream_of_a_caller_is_refused_and_bad_places_are_named() {
    let app = App::start().await;
    app.create(&named("one")).await;
    let mut open = Vec::new();
    for _ in 0..16 {
        open.push(Events::open(&app, "/api/events", None).await);
    }
    let refused = send(app.request(Method::GET, "/api/sessions/one/events")).await;
    assert_eq!((refused.status().as_u16(), header(&refused, "retry-after").as_deref()), (429, Some("5")));
    drop(open);
    for (query, field) in [("after=x", "after"), ("after=1-1&after=1-2", "after"), ("from=1", "from")] {
        let (status, problem) = app.get(&format!("/api/events?{query}")).await;
        assert_eq!((status, problem["field"].as_str()), (400, Some(field)), "{query}");
    }
    assert_eq!(app.bare(Method::GET, "/api/events").send().await.expect("an answer").status(), 401);
}
