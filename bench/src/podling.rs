//! The measures through both hops: runner, gateway, WebSocket.

use std::time::Instant;

use podling_e2e::{podling::Podling, viewer::Viewer};
use podling_session::id::AttachNonce;

fn millis(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1_000.0
}

async fn attach(server: &Podling, command: &str) -> Viewer {
    let session = server.run(command).await;
    Viewer::attach(&server.url, &session.uid, &session.token, AttachNonce::random()).await
}

/// From the create to the first byte of a cold session's command.
pub(crate) async fn first_byte(server: &Podling) -> f64 {
    let started = Instant::now();
    let mut viewer = attach(server, "echo first").await;
    viewer.sees("first").await;
    millis(started)
}

/// The median of 50 keys to their echoes.
pub(crate) async fn echo(server: &Podling) -> f64 {
    let mut viewer = attach(server, "stty raw -echo; printf ready; exec cat").await;
    viewer.sees("ready").await;
    let mut times = Vec::new();
    for _ in 0..50 {
        let (started, before) = (Instant::now(), viewer.offset);
        viewer.type_in("x").await;
        while viewer.offset == before {
            assert!(viewer.step().await.is_none(), "the stream stays open");
        }
        times.push(millis(started));
    }
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// From a key to the last byte of a flood.
pub(crate) async fn bulk(server: &Podling, command: &str) -> f64 {
    let mut viewer = attach(server, &format!("printf ready; read x; {command}")).await;
    viewer.sees("ready").await;
    let started = Instant::now();
    viewer.type_in("\n").await;
    viewer.to_end().await;
    millis(started)
}
