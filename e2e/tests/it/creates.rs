//! Creates at controllers of which one is killed meanwhile.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use podling_e2e::{
    chaos::{api::Api, cluster::Cluster, fault::Role, invariants},
    store::Database,
    wait::until,
};
use reqwest::{Method, StatusCode};
use rustix::process::Signal;
use serde_json::json;
use tokio::task::JoinSet;

const CREATES: usize = 200;
/// The kill comes when so many are answered: the others are under way.
const ANSWERED: usize = 20;
/// For the last of them to be answered while all starts take the processors.
const CREATE: Duration = Duration::from_secs(240);
/// For as many starts and ends on two processors, of a build without optimisation.
const ENDED: Duration = Duration::from_secs(180);

fn key(number: usize) -> String {
    format!("create-{number}")
}

fn create_all(api: &Api) -> JoinSet<(usize, String)> {
    let mut creates = JoinSet::new();
    for number in 0..CREATES {
        let api = api.clone();
        creates.spawn(async move {
            let created = api.create("true", &key(number), CREATE).await.expect("it is answered in the end");
            (number, created.uid)
        });
    }
    creates
}

#[tokio::test(flavor = "multi_thread")]
async fn of_200_creates_under_a_kill_of_a_controller_each_makes_one_session_and_each_ends() {
    let mut cluster = Cluster::start().await.expect("two of each come up");
    let api = cluster.api().clone();
    let (began, mut creates) = (Instant::now(), create_all(&api));
    let mut made = vec![String::new(); CREATES];
    for _ in 0..ANSWERED {
        let (number, uid) = creates.join_next().await.expect("there are more").expect("no create panics");
        made[number] = uid;
    }
    let under_way = CREATES
        - ANSWERED
        - std::iter::from_fn(|| creates.try_join_next()).fold(0, |count, done| {
            let (number, uid) = done.expect("no create panics");
            made[number] = uid;
            count + 1
        });
    let (restarted, rest) = tokio::join!(cluster.restart(Role::Controller, 0, Signal::KILL), creates.join_all());
    restarted.expect("it comes back");
    rest.into_iter().for_each(|(number, uid)| made[number] = uid);
    println!("{under_way} of {CREATES} creates were under way at the kill");
    assert!(under_way > 0, "the kill came too late");
    println!("all were answered after {:?}", began.elapsed());
    assert_eq!(made.iter().collect::<HashSet<_>>().len(), CREATES, "each key has a session of its own");
    for (number, uid) in create_all(&api).join_all().await {
        assert_eq!(uid, made[number], "a key has one session for ever");
    }
    refused(&cluster).await;

    let database = Database::connect(&cluster.database()).await.expect("the store");
    until("every session has ended", ENDED, async || {
        let sql = "SELECT count(*) FROM sessions WHERE phase <> 'ended'";
        let row = database.client.query_one(sql, &[]).await.expect("a count");
        match row.get::<_, i64>(0) {
            0 => Ok(()),
            running => Err(running),
        }
    })
    .await;
    let store = invariants::Store::open(&cluster.database()).await.expect("the store");
    assert_eq!(store.settled().await.expect("the histories"), Vec::<String>::new());
    assert_eq!(store.holds(CREATES as u64).await.expect("a count"), None);
    let reasons = "SELECT end_reason || ' ' || COALESCE(exit_code::text, ''), count(*) FROM sessions GROUP BY 1";
    for row in database.client.query(reasons, &[]).await.expect("counts") {
        println!("{} ended with {}", row.get::<_, i64>(1), row.get::<_, String>(0));
    }
    assert_eq!(invariants::left_runners(cluster.data_dir()), Vec::<String>::new());
    cluster.end().await.expect("every service ends by itself");
}

/// What one controller knows of a key, the other knows too.
async fn refused(cluster: &Cluster) {
    for place in 0..2 {
        let mut api = cluster.api().clone();
        api.url = format!("http://{}", cluster.address(Role::Controller, place));
        let other = json!({ "command": "false" });
        for number in [0, CREATES - 1] {
            let answer = api.send(Method::POST, "/api/sessions", Some(&other), Some(&key(number))).await;
            assert_eq!(answer.expect("an answer").status(), StatusCode::CONFLICT, "controller {place}");
        }
    }
}
