//! Whom a client takes for its server.

use podling_proto::{
    channel::{NoRoute, Route},
    tls::Trust,
};

use crate::world::{Authority, Server, connect, route};

#[tokio::test]
async fn a_server_is_known_by_its_authority_and_by_nobody_elses() {
    let (ours, foreign) = (Authority::new(), Authority::new());
    let (server, _files) = Server::certified(&ours, "127.0.0.1", 2999).await;
    let to = |trust: &Trust| server.route("127.0.0.1", trust).expect("a route");
    assert_eq!(connect(&to(&ours.trust())).await.expect("trusted"), "certified");
    assert!(connect(&to(&foreign.trust())).await.is_err());
    assert!(connect(&to(&Trust::pinned(b"not a certificate"))).await.is_err());
    assert!(connect(&server.route("localhost", &ours.trust()).expect("a route")).await.is_err(), "another name");
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    let authority = Authority::new();
    let (server, _files) = Server::certified(&authority, "127.0.0.1", 2021).await;
    assert!(connect(&server.route("127.0.0.1", &authority.trust()).expect("a route")).await.is_err());
}

#[tokio::test]
async fn a_pinned_server_is_known_by_its_certificate_alone() {
    let ((one, pin), (other, other_pin)) = (Server::self_signed("one").await, Server::self_signed("other").await);
    let to = |server: &Server, pin: &[u8]| server.route("127.0.0.1", &Trust::pinned(pin)).expect("a route");
    assert_eq!(connect(&to(&one, &pin)).await.expect("pinned"), "one");
    assert_eq!(connect(&to(&other, &other_pin)).await.expect("pinned"), "other");
    assert!(connect(&to(&one, &other_pin)).await.is_err());
    assert!(connect(&to(&other, &pin)).await.is_err());
    // Names are for authorities: a pin stands for the server by whatever name.
    let by_name = one.route("localhost", &Trust::pinned(&pin)).expect("a route");
    assert_eq!(connect(&by_name).await.expect("pinned"), "one");
}

#[tokio::test]
async fn without_something_to_trust_there_is_no_way_to_a_server_on_tls() {
    let address = || "https://127.0.0.1:9443".parse().expect("an address");
    assert_eq!(Route::new(vec![address()], None).expect_err("untrusted"), NoRoute::Untrusted(address()));
    assert_eq!(Route::new(Vec::new(), None).expect_err("nowhere"), NoRoute::Empty);
}

#[tokio::test]
async fn the_next_server_takes_over_from_one_that_is_gone() {
    let authority = Authority::new();
    let (mut first, _files) = Server::certified(&authority, "127.0.0.1", 2999).await;
    let (second, _more_files) = Server::certified(&authority, "localhost", 2999).await;
    let addresses = [format!("https://{}", first.address), format!("https://localhost:{}", second.address.port())];
    let channel = route(&addresses, &authority.trust()).expect("a route").channel();
    crate::world::ask(&channel).await.expect("the first answers");
    first.stop.cancel();
    first.serving.join_next().await.expect("it ends").expect("without a panic");
    drop(first);
    crate::world::ask(&channel).await.expect("the second answers, at once");
}
