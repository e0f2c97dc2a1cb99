use std::time::Duration;

use futures_util::stream::pending;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{WebSocketStream, tungstenite::protocol::Role};

use super::*;

const HOUR: Duration = Duration::from_secs(3600);
/// Balancers take a connection on which nothing passes for this long for dead; none of the common ones is quicker.
const QUIET: Duration = Duration::from_secs(60);

/// The two ends of a socket of this machine.
async fn socket() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
    (client.expect("somebody listens"), accepted.expect("somebody connects").0)
}

/// Serves a viewer of a program that says nothing, until something ends that.
async fn serve(server: TcpStream, limits: Limits) -> Ending {
    let (read, write) = server.into_split();
    let ((post, _inbox), pongs, dialect) = (inbox::inbox(), Pongs::default(), Dialect::Framed);
    let outgoing = Outgoing::new(write, limits.send_timeout);
    let mut viewer = Viewer { outgoing, dialect, limits, post: post.clone(), pongs: &pongs };
    let incoming = Incoming::new(read, Bytes::new(), 1024);
    let mut sender = Sender { incoming, dialect, limits, post, pongs: &pongs };
    tokio::select! {
        ending = viewer.follow(pending()) => ending,
        ending = sender.read() => ending,
    }
}

#[tokio::test(start_paused = true)]
async fn for_more_than_an_hour_a_silent_viewer_stays_and_its_line_is_never_quiet_for_long() {
    let (client, server) = socket().await;
    let mut client = WebSocketStream::from_raw_socket(client, Role::Client, None).await;
    let (mut heard, mut longest) = (Instant::now(), Duration::ZERO);
    let listening = async {
        while let Some(Ok(message)) = client.next().await {
            assert!(message.is_ping());
            longest = longest.max(heard.elapsed());
            heard = Instant::now();
        }
    };
    tokio::select! {
        ending = serve(server, Limits::default()) => panic!("it ended: {}", ending.name()),
        () = listening => panic!("the socket was closed"),
        () = sleep(HOUR + QUIET) => {}
    }
    assert!(Duration::ZERO < longest && longest < QUIET, "{longest:?}");
}

#[tokio::test(start_paused = true)]
async fn a_viewer_that_is_gone_without_a_word_is_let_go_after_a_minute() {
    let (_client, server) = socket().await;
    let began = Instant::now();
    assert_eq!(serve(server, Limits::default()).await.name(), Ending::Silent.name());
    assert!((QUIET..QUIET * 2).contains(&began.elapsed()), "{:?}", began.elapsed());
}
