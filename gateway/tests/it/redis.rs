//! Two gateways that share a Redis, and what they do while it is gone.

use std::{sync::Arc, time::Duration};

use podling_daemon::redis::Redis;
use podling_gateway::replay_redis::RedisReplayGuard;
use podling_session::{
    frame::{ClientFrame, ServerFrame},
    id::AttachNonce,
};
use tokio::{
    sync::Barrier,
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{
    client::{Client, attached_at, connect_at, framed, status_of},
    world::{Door, World, until},
};

const RACERS: usize = 200;
const ROUNDS: usize = 50;

async fn door(world: &World, server: &podling_servers::Redis) -> Door {
    let redis = Redis::new(&server.url().parse().expect("a URL"), None).expect("no certificates");
    world.door(Arc::new(RedisReplayGuard::new(Arc::new(redis)))).await
}

async fn tell<T: redis::FromRedisValue>(server: &podling_servers::Redis, words: &[&str]) -> T {
    let redis = Redis::new(&server.url().parse().expect("a URL"), None).expect("no certificates");
    let mut command = redis::Cmd::new();
    command.arg(words);
    redis.ask(&command).await.expect("Redis obeys")
}

/// How far one of many that hold a token got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Attached,
    Refused,
    /// 503: to be tried again.
    Unavailable,
}

/// Framed with a nonce, else plain.
async fn redeem(door: &Door, world: &World, token: &str, nonce: Option<AttachNonce>) -> Outcome {
    let offer = nonce.map_or_else(|| format!("bearer, {token}"), |nonce| framed(token, nonce));
    let mut client = match connect_at(door.address, &world.uid.to_string(), &offer, "").await {
        Ok(client) => client,
        Err(refused) if refused.status() == 503 => return Outcome::Unavailable,
        Err(refused) => return if refused.status() == 401 { Outcome::Refused } else { panic!("{refused:?}") },
    };
    let end = match nonce.is_some() {
        true => client.output().await.err(),
        false => client.message().await.err(),
    };
    match end.map(|end| end.code) {
        None => Outcome::Attached,
        Some(4503) => Outcome::Unavailable,
        // A plain client that was upgraded may be refused by the runner: then it gets the code, too.
        Some(4401) => Outcome::Refused,
        Some(code) => panic!("closed with {code}"),
    }
}

/// All at once, half of them at each gateway; those told to try again do.
async fn race(doors: &Arc<[Door; 2]>, world: &Arc<World>, is_framed: bool) -> Vec<Outcome> {
    let (token, start) = (world.token(), Arc::new(Barrier::new(RACERS)));
    let mut racers = JoinSet::new();
    for racer in 0..RACERS {
        let (doors, world, token, start) = (doors.clone(), world.clone(), token.clone(), start.clone());
        racers.spawn(async move {
            let nonce = is_framed.then(AttachNonce::random);
            start.wait().await;
            loop {
                match redeem(&doors[racer % 2], &world, &token, nonce).await {
                    Outcome::Unavailable => sleep(Duration::from_millis(100)).await,
                    outcome => return outcome,
                }
            }
        });
    }
    racers.join_all().await
}

fn attached(outcomes: &[Outcome]) -> usize {
    outcomes.iter().filter(|outcome| **outcome == Outcome::Attached).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_200_redeemers_at_two_gateways_exactly_one_opens_a_stream_in_each_of_50_rounds() {
    let (world, server) = (Arc::new(World::start().await), podling_servers::Redis::start());
    world.log.say("hello");
    let doors = Arc::new([door(&world, &server).await, door(&world, &server).await]);
    for round in 0..ROUNDS {
        let outcomes = race(&doors, &world, round % 2 == 0).await;
        assert_eq!((attached(&outcomes), *world.runner.accepted.borrow()), (1, round + 1), "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn over_restarts_of_redis_that_lose_all_claims_a_token_opens_no_second_stream() {
    let (world, mut server) = (Arc::new(World::start().await), podling_servers::Redis::start());
    world.log.say("hello");
    let doors = Arc::new([door(&world, &server).await, door(&world, &server).await]);
    for round in 0..5 {
        let racing = race(&doors, &world, true);
        let restarts = async {
            for pause in [5, 20, 50] {
                sleep(Duration::from_millis(pause)).await; // Some while they claim, some before, some after.
                server.kill();
                server.restart();
            }
        };
        let (outcomes, ()) = tokio::join!(racing, restarts);
        assert_eq!((attached(&outcomes), *world.runner.accepted.borrow()), (1, round + 1), "round {round}");
    }
}

#[tokio::test]
async fn a_redis_that_forgot_a_claim_opens_nothing_to_another_nonce() {
    let (world, server) = (World::start().await, podling_servers::Redis::start());
    world.log.say("hello");
    let (one, other) = (door(&world, &server).await, door(&world, &server).await);
    let (token, uid) = (world.token(), world.uid.to_string());
    let mut first = connect_at(one.address, &uid, &framed(&token, AttachNonce::random()), "").await.expect("first");
    let resume = first.take_resume().await;
    assert!(first.output().await.is_ok());
    for nonce in [Some(AttachNonce::random()), None] {
        tell::<()>(&server, &["FLUSHALL"]).await;
        assert_eq!(redeem(&other, &world, &token, nonce).await, Outcome::Refused);
    }
    assert_eq!(*world.runner.accepted.borrow(), 1, "never a second stream");
    world.log.say(" again");
    assert_eq!(first.output().await, Ok((5, " again".into())));
    let mut back = connect_at(other.address, &uid, &format!("podling.v1, resume, {resume}"), "").await.expect("back");
    back.take_resume().await;
}

/// Refused within a second, and told when to come back.
async fn is_refused(door: &Door, world: &World) {
    let uid = world.uid.to_string();
    let asked = Instant::now();
    let plain = connect_at(door.address, &uid, &format!("bearer, {}", world.token()), "").await;
    let refused = plain.expect_err("a plain client is refused");
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()["retry-after"], "1");
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    let asked = Instant::now();
    let offer = framed(&world.token(), AttachNonce::random());
    let mut client = connect_at(door.address, &uid, &offer, "").await.expect("upgraded");
    let Ok(ServerFrame::Error { json }) = client.frame().await else { panic!("no error frame") };
    assert!(json.contains(r#""retryAfter":1"#), "{json}");
    assert_eq!(client.frame().await.expect_err("closed").code, 4503);
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
}

async fn attaches_within(span: Duration, door: &Door, world: &World) {
    let back = Instant::now();
    let (uid, token) = (world.uid.to_string(), world.token());
    while status_of(connect_at(door.address, &uid, &format!("bearer, {token}"), "").await) != 101 {
        assert!(back.elapsed() < span, "nobody attaches {:?} after Redis is back", back.elapsed());
        sleep(Duration::from_millis(50)).await;
    }
}

async fn echoes(client: &mut Client, world: &World, word: &str) {
    client.send(&ClientFrame::Input(word.to_owned().into())).await;
    let ends = |input: &Vec<u8>| input.ends_with(word.as_bytes());
    until(world.runner.input.subscribe(), ends).await;
}

#[tokio::test]
async fn while_redis_is_down_only_new_attaches_fail_and_they_work_within_5_s_of_its_return() {
    let (world, mut server) = (World::start().await, podling_servers::Redis::start());
    let door = door(&world, &server).await;
    let (mut stays, mut resume) = attached_at(&door, &world).await;
    for is_stopped in [false, true] {
        if is_stopped {
            server.pause()
        } else {
            server.kill()
        }
        is_refused(&door, &world).await;
        echoes(&mut stays, &world, "still here").await;
        let offer = format!("podling.v1, resume, {resume}");
        let mut back = connect_at(door.address, &world.uid.to_string(), &offer, "").await.expect("resumed");
        back.take_resume().await;
        echoes(&mut back, &world, "back").await;
        if is_stopped {
            server.resume()
        } else {
            server.restart()
        }
        attaches_within(Duration::from_secs(5), &door, &world).await;
        (stays, resume) = attached_at(&door, &world).await;
    }
}

#[tokio::test]
async fn a_503_of_a_stopped_redis_spends_no_token_of_either_kind_of_client() {
    let (world, server) = (World::start().await, podling_servers::Redis::start());
    world.log.say("hello");
    let door = door(&world, &server).await;
    assert_eq!(redeem(&door, &world, &world.token(), None).await, Outcome::Attached, "the connection stands");
    for nonce in [None, Some(AttachNonce::random())] {
        let claims = world.claims();
        let token = world.key.sign(&claims);
        server.pause();
        assert_eq!(redeem(&door, &world, &token, nonce).await, Outcome::Unavailable);
        server.resume();
        // It stands in what Redis had been sent before it stopped.
        while !tell::<bool>(&server, &["EXISTS", &format!("token:{}", claims.jti)]).await {}
        assert_eq!(redeem(&door, &world, &token, nonce).await, Outcome::Attached);
        assert_eq!(redeem(&door, &world, &token, None).await, Outcome::Refused);
    }
}
