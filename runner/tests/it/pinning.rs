//! A runner on TCP: it trusts its controller's authority, and viewers trust the certificate that it registered.

use podling_proto::{
    channel::Route,
    terminal::{Exit, terminal_client::TerminalClient},
    tls::Trust,
};
use tonic::Code;

use crate::{
    viewer::Last,
    world::{Plan, until},
};

#[tokio::test]
async fn over_tls_a_session_is_what_it_is_over_sockets() {
    let mut world = Plan { tls: true, ..Plan::command("read -r word; echo \"got $word\"; exit 3") }.start().await;
    let mut viewer = world.attach().await;
    viewer.type_in("it\r").await;
    let Last::Exit(Exit { exit_code, .. }) = viewer.last().await else { panic!("no exit") };
    assert_eq!(exit_code, Some(3));
    assert!(String::from_utf8_lossy(&viewer.output).contains("got it"));
    drop(viewer);
    assert_eq!(world.exit_code().await, Some(3));
}

#[tokio::test]
async fn whoever_pins_another_certificate_says_nothing_to_the_runner() {
    let world = Plan { tls: true, ..Plan::command("cat") }.start().await;
    world.running().await;
    let registered = until(&world.controller.told.registered, |requests| !requests.is_empty()).await.swap_remove(0);
    let mut other = registered.certificate.to_vec();
    *other.last_mut().expect("a certificate") ^= 1;
    let route = Route::new(vec![registered.address.parse().expect("an address")], Some(&Trust::pinned(&other)));
    let mut client = TerminalClient::new(route.expect("a route").channel());
    let refused = client.attach(tokio_stream::pending()).await.expect_err("another certificate");
    assert_eq!(refused.code(), Code::Unavailable);
}
