//! kill -9 of the gateway that carries an attach, at each step of it: its viewer is let in by the other, strangers who
//! show its token meanwhile are not. `cargo xtask steps` takes a hundred steps, CI fewer.

use std::{net::SocketAddr, time::Duration};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use podling_e2e::{
    browser,
    chaos::{
        api::{Api, Created},
        cluster::Cluster,
        fault::Role,
        follower::Follower,
        invariants,
        lines::COMMAND,
        race::{Prize, gets_in},
    },
    proxy::{Order, Proxy},
    setting::takes_every_step,
    wait::until,
};
use reqwest::Method;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

/// The promise: from the kill to new output.
const LET_IN: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(60);
const STRANGERS: usize = 3;
/// Between two attempts of one stranger.
const AGAIN: Duration = Duration::from_millis(20);
/// From the first step to the last.
const SWEEP: Duration = Duration::from_millis(30);

/// When the gateway dies.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// So long after the viewer began to connect.
    Connecting(Duration),
    /// So long after the token was claimed for it.
    Claimed(Duration),
}

/// Half of them count from the connection, half from the claim.
fn moments(count: u32) -> impl Iterator<Item = Moment> {
    let delay = move |step: u32| SWEEP * step / (count / 2);
    (0..count).map(move |number| match number % 2 {
        0 => Moment::Connecting(delay(number / 2)),
        _ => Moment::Claimed(delay(number / 2)),
    })
}

/// A running session that counts, and the way to its gateways of which one is to die.
struct Round {
    created: Created,
    way: Proxy,
}

impl Round {
    async fn start(cluster: &mut Cluster, dying: usize) -> Round {
        let api = cluster.api().clone();
        let key = format!("{:032x}", rand::random::<u128>());
        let created = api.create(COMMAND, &key, PATIENCE).await.expect("a session");
        cluster.note_created(1);
        until("it runs", PATIENCE, async || {
            let session = session(&api, &created.uid).await;
            if session["phase"] == "running" { Ok(()) } else { Err(session) }
        })
        .await;
        let gateways = [dying, 1 - dying].map(|place| cluster.address(Role::Gateway, place));
        Round { created, way: Proxy::start_in(Order::Fixed, gateways.to_vec()).await }
    }

    fn url(&self) -> String {
        format!("http://{}", self.way.address)
    }
}

async fn session(api: &Api, uid: &str) -> Value {
    let answer = api.send(Method::GET, &format!("/api/sessions/{uid}"), None, None).await.expect("an answer");
    answer.json().await.expect("JSON")
}

/// Waits until Redis knows that a token is spent.
async fn claimed(redis: SocketAddr, token: &str) {
    timeout(PATIENCE, is_claimed(redis, token)).await.expect("somebody claims it");
}

async fn is_claimed(redis: SocketAddr, token: &str) {
    let payload = token.split('.').nth(1).expect("a token has three parts");
    let claims = BASE64_URL_SAFE_NO_PAD.decode(payload).expect("base64url");
    let claims: Value = serde_json::from_slice(&claims).expect("JSON");
    let question = format!("EXISTS token:{}\r\n", claims["jti"].as_str().expect("a token has an id"));
    let mut redis = TcpStream::connect(redis).await.expect("Redis accepts");
    redis.set_nodelay(true).expect("it is open");
    let mut answer = [0; 4];
    while answer != *b":1\r\n" {
        redis.write_all(question.as_bytes()).await.expect("Redis reads");
        redis.read_exact(&mut answer).await.expect("Redis answers");
    }
}

/// Shows a token that somebody else has spent, again and again; whether it ever opened a stream.
async fn stranger(gateways: [String; 2], prize: Prize, end: watch::Receiver<bool>) -> bool {
    while !*end.borrow() {
        for gateway in &gateways {
            if gets_in(gateway, &prize).await {
                return true;
            }
            sleep(AGAIN).await;
        }
    }
    false
}

/// One kill; how long the viewer was without output.
async fn a_viewer_is_let_in(cluster: &mut Cluster, dying: usize, moment: Moment) -> Duration {
    let round = Round::start(cluster, dying).await;
    let Created { uid, token, .. } = &round.created;
    let (ask_end, asked) = watch::channel(false);
    let (follower, mut lines) = Follower::new(&round.url(), uid, token, asked.clone());
    let (mut following, mut strangers) = (JoinSet::new(), JoinSet::new());
    following.spawn(follower.run(PATIENCE));
    let redis = cluster.redis();
    let gateways = [0, 1].map(|place| format!("http://{}", cluster.address(Role::Gateway, place)));
    for _ in 0..STRANGERS {
        let (gateways, prize) = (gateways.clone(), Prize { uid: uid.clone(), token: token.clone() });
        let (token, end) = (token.clone(), asked.clone());
        strangers.spawn(async move {
            claimed(redis, &token).await;
            stranger(gateways, prize, end).await
        });
    }
    match moment {
        Moment::Connecting(delay) => sleep(delay).await,
        Moment::Claimed(delay) => {
            claimed(redis, token).await;
            sleep(delay).await;
        }
    }
    let (killed, seen) = (Instant::now(), *lines.borrow());
    cluster.kill(Role::Gateway, dying).await.expect("it runs");
    // Not kept: what is borrowed of a watch stops whoever reports.
    let is_back = timeout(PATIENCE, lines.wait_for(|lines| *lines > seen + 1)).await.is_ok_and(|lines| lines.is_ok());
    let without = killed.elapsed();
    ask_end.send_replace(true);
    let story = following.join_next().await.expect("a viewer").expect("no viewer panics");
    let won = strangers.join_all().await.into_iter().filter(|won| *won).count();
    let wrong = invariants::of_viewer(uid, &story);
    assert!(is_back, "{moment:?}: locked out: {wrong:?}\n{}", cluster.logs());
    assert!(wrong.is_empty(), "{moment:?}: {wrong:?}\n{}", cluster.logs());
    assert_eq!(won, 0, "{moment:?}: strangers got in\n{}", cluster.logs());
    assert!(without < LET_IN, "{moment:?}: let in after {without:?}\n{}", cluster.logs());
    cluster.revive(Role::Gateway, dying).await.expect("it comes back");
    without
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_of_the_gateway_at_any_step_of_an_attach_locks_nobody_out_for_2_s_and_lets_no_stranger_in() {
    let mut cluster = Cluster::start().await.expect("two of each come up");
    let rounds = if takes_every_step() { 100 } else { 30 };
    let mut times = Vec::new();
    for (number, moment) in moments(rounds).enumerate() {
        times.push(a_viewer_is_let_in(&mut cluster, number % 2, moment).await);
    }
    times.sort_unstable();
    println!(
        "{rounds} kills; without output for {:?} in the middle, {:?} at most",
        times[times.len() / 2],
        times[times.len() - 1]
    );
    let store = invariants::Store::open(&cluster.database()).await.expect("the store");
    assert_eq!(store.settled().await.expect("the histories"), Vec::<String>::new());
    assert_eq!(store.holds(cluster.created()).await.expect("a count"), None);
    cluster.end().await.expect("every service ends by itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_comes_back_by_itself_from_a_kill_of_its_gateway_at_any_step_of_its_attach() {
    let mut cluster = Cluster::start().await.expect("two of each come up");
    let rounds: u32 = if takes_every_step() { 20 } else { 4 };
    for number in 0..rounds {
        let dying = number as usize % 2;
        let round = Round::start(&mut cluster, dying).await;
        let Created { uid, token, .. } = &round.created;
        let attaching = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let (url, origin) = (format!("{}/ws/{uid}?token={token}", round.url()), round.url());
        let port = attaching.local_addr().expect("it is bound").port().to_string();
        let arguments = [url.as_str(), &origin, &port];
        let kill = async {
            attaching.accept().await.expect("the page attaches");
            sleep(SWEEP * number / rounds).await;
            cluster.kill(Role::Gateway, dying).await.expect("it runs");
        };
        let (said, ()) = tokio::join!(browser::scenario("handover", &arguments), kill);
        print!("{said}");
        cluster.revive(Role::Gateway, dying).await.expect("it comes back");
    }
    cluster.end().await.expect("every service ends by itself");
}
