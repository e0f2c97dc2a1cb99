//! The terminal's output over HTTP.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use podling_session::{
    id::{Incarnation, Uid},
    log::{Body, Header, Record, hash, segment_file},
    phase::End,
    principal::Tenant,
    store::{SegmentRow, SystemStore},
};
use reqwest::Method;

use super::app::{App, command, header, send};
use crate::wait::until;

const OUTPUT: &[u8] = b"\x1b[32mgreen\x1b[0m\r\nsecond line\r\n";

/// A session that has ended and left one segment, of which the store keeps what begins at `first_kept`.
pub(super) async fn ended(app: &App, first_kept: u64) -> Uid {
    let session = app.create(&command()).await;
    let uid: Uid = session["uid"].as_str().expect("a uid").parse().expect("a uid");
    let life = Incarnation { uid, number: 1 };
    let mut segment = BytesMut::from(&Header { sequence: 0, first_offset: 0, previous: [0; 32] }.encode()[..]);
    let output = Record { offset: 0, time_millis: 1, body: Body::Output(Bytes::from_static(OUTPUT)) };
    output.encode(&mut segment);
    Record { offset: output.end(), time_millis: 2, body: Body::Exit(End::exit(0)) }.encode(&mut segment);
    let directory = app.core.logs.directory(&Tenant::local(), life).expect("a local store");
    std::fs::create_dir_all(&directory).expect("created");
    std::fs::write(directory.join(segment_file(0)), &segment).expect("written");
    let row = SegmentRow {
        sequence: 0,
        first_offset: 0,
        end_offset: output.end(),
        bytes: segment.len() as u64,
        hash: hash(&segment),
    };
    app.store.add_segment(life, row, first_kept).await.expect("added");
    app.store.log_end(life, output.end()).await.expect("noted");
    assert!(app.store.end(life, &End::exit(0)).await.expect("ended"));
    assert!(app.store.release(life).await.expect("released"));
    uid
}

async fn read(app: &App, uid: Uid, query: &str) -> (u16, String, Vec<u8>) {
    let response = send(app.request(Method::GET, &format!("/api/sessions/{uid}/log{query}"))).await;
    let kind = header(&response, "content-type").expect("a type");
    (response.status().as_u16(), kind, response.bytes().await.expect("a whole body").to_vec())
}

#[tokio::test]
async fn an_ended_session_is_read_raw_or_as_text_from_any_offset() {
    let app = App::start().await;
    let uid = ended(&app, 0).await;
    let (raw, plain) = ("application/octet-stream".to_owned(), "text/plain; charset=utf-8".to_owned());
    assert_eq!(read(&app, uid, "").await, (200, raw.clone(), OUTPUT.to_vec()));
    assert_eq!(read(&app, uid, "?from=5&follow=true").await, (200, raw.clone(), OUTPUT[5..].to_vec()));
    assert_eq!(read(&app, uid, "?format=text").await, (200, plain, b"green\nsecond line\n".to_vec()));
    let end = OUTPUT.len();
    assert_eq!(read(&app, uid, &format!("?from={end}")).await, (200, raw, vec![]));
    let response = send(app.request(Method::GET, &format!("/api/sessions/{uid}/log"))).await;
    assert_eq!(header(&response, "x-log-first-offset").as_deref(), Some("0"));
    assert_eq!(header(&response, "x-log-end-offset"), Some(end.to_string()));
    assert_eq!(read(&app, uid, "?format=html").await.0, 400);
}

#[tokio::test]
async fn what_is_no_longer_kept_is_gone_and_the_answer_names_what_is() {
    let app = App::start().await;
    let uid = ended(&app, 7).await;
    let response = send(app.request(Method::GET, &format!("/api/sessions/{uid}/log?from=3"))).await;
    assert_eq!(response.status(), 410);
    assert_eq!(header(&response, "x-log-first-offset").as_deref(), Some("7"));
    assert!(response.text().await.expect("a problem").contains("offset 7"));
}

#[tokio::test]
async fn a_session_that_has_not_begun_has_an_empty_log() {
    let app = App::start().await;
    let session = app.create(&command()).await;
    let uid = session["uid"].as_str().expect("a uid").parse().expect("a uid");
    assert_eq!(read(&app, uid, "").await.2, b"");
}

#[tokio::test]
async fn so_many_logs_are_read_at_once_and_who_leaves_makes_room() {
    let app = App::start().await;
    let session = app.create(&command()).await;
    let follow = format!("/api/sessions/{}/log?follow=true", session["uid"].as_str().expect("a uid"));
    let mut readers = Vec::new();
    for _ in 0..256 {
        let response = send(app.request(Method::GET, &follow)).await;
        assert_eq!(response.status(), 200);
        readers.push(response);
    }
    let refused = send(app.request(Method::GET, &follow)).await;
    assert_eq!((refused.status().as_u16(), header(&refused, "retry-after").as_deref()), (503, Some("1")));
    readers.pop();
    until("room for another", Duration::from_secs(10), async || {
        (send(app.request(Method::GET, &follow)).await.status() == 200).then_some(())
    })
    .await;
}
