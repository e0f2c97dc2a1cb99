//! What is on the sandbox's side of the network.

use std::net::SocketAddr;

use tokio::{io::AsyncWriteExt, net::TcpListener};

use super::*;

/// Says `words` to the first who comes.
async fn greet(listener: &TcpListener, words: &str) {
    let (mut caller, _) = timeout(DEADLINE, listener.accept()).await.expect("somebody comes").expect("a caller");
    caller.write_all(words.as_bytes()).await.expect("the caller listens");
}

fn reading(address: SocketAddr) -> String {
    format!("(cat </dev/tcp/{}/{}) 2>/dev/null || echo nobody", address.ip(), address.port())
}

#[tokio::test]
async fn what_the_runner_listens_on_is_there_for_every_command_of_one_sandbox_alone() {
    let (fixture, other) = (Fixture::new(), Fixture::new());
    let listener = fixture.sandbox.listen(0).await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let script = reading(address);
    for words in ["first", "second"] {
        let (_, ran) = tokio::join!(greet(&listener, words), fixture.run(&script));
        assert_eq!(ran, (0, words.to_owned()));
    }
    other.prints(&reading(address), "nobody\n").await;
    assert!(std::net::TcpStream::connect(address).is_err(), "the machine's loopback is another");
    drop(listener);
    fixture.prints(&reading(address), "nobody\n").await;
}

#[tokio::test]
async fn sandboxes_can_have_the_same_port_and_a_port_has_one_listener() {
    let (fixture, other) = (Fixture::new(), Fixture::new());
    let listener = fixture.sandbox.listen(81).await.expect("a port");
    let _same = other.sandbox.listen(81).await.expect("the same port");
    let refused = fixture.sandbox.listen(81).await.expect_err("the port is taken");
    assert!(std::error::Error::source(&refused).is_some_and(|cause| cause.to_string().contains("in use")), "{refused}");
    assert_eq!(listener.local_addr().expect("bound").port(), 81);
}

#[tokio::test]
async fn without_isolation_the_loopback_is_the_machines() {
    let fixture = Fixture::with(|settings| (settings.isolation_none, settings.minimum) = (true, Isolation::None));
    let listener = fixture.sandbox.listen(0).await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let (_, reached) = tokio::join!(greet(&listener, "hello"), tokio::net::TcpStream::connect(address));
    reached.expect("it is the machine's");
    fixture.sandbox.connect().await.expect("there is nothing to do");
    let refused = fixture.sandbox.disconnect().await.expect_err("there is no wall to close");
    assert!(matches!(refused, SandboxError::Unwalled), "{refused}");
}

/// How many routes lead out.
const ROUTES: &str = "grep -c ^tap0 /proc/net/route; exit 0";

#[tokio::test]
async fn the_way_out_comes_and_goes_between_commands() {
    let fixture = Fixture::new();
    fixture.prints(ROUTES, "0\n").await;
    for _ in 0..2 {
        fixture.sandbox.connect().await.expect("slirp4netns is installed");
        fixture.sandbox.connect().await.expect("it is there already");
        fixture.prints(ROUTES, "3\n").await;
        fixture.sandbox.kill_all().expect("all of it ends");
        fixture.prints(ROUTES, "3\n").await;
        fixture.sandbox.disconnect().await.expect("it can go");
        fixture.prints(ROUTES, "0\n").await;
    }
}
