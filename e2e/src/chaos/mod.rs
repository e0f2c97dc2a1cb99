//! Faults in a cluster under traffic, and what must be true whatever fails.

pub mod api;
pub mod cluster;
pub mod fault;
pub mod fleet;
pub mod follower;
pub mod invariants;
pub mod lines;
pub mod race;
pub mod report;
pub mod soak;

use std::time::Duration;

use anyhow::Context;

use self::{
    cluster::Cluster,
    fault::Fault,
    fleet::Fleet,
    invariants::Store,
    race::{Prize, race},
    report::Outcome,
};

/// What every viewer must have seen before a fault, and once more after it.
const LINES: u64 = 20;
const WARM_UP: Duration = Duration::from_secs(60);
/// How soon after a fault every viewer must go on.
const RECOVERY: Duration = Duration::from_secs(30);
/// Tokens that are raced for in one trial.
const PRIZES: usize = 4;

/// Does one thing to a cluster under traffic. What is broken stands in the outcome.
///
/// # Errors
/// When the trial itself cannot be held.
pub async fn trial(cluster: &mut Cluster, fault: Fault, sessions: usize) -> anyhow::Result<Outcome> {
    let (api, viewers) = (cluster.api().clone(), cluster.viewers());
    let mut fleet = Fleet::start(&api, &viewers, sessions).await.context("the sessions cannot be started")?;
    fleet.advances(LINES, WARM_UP).await?;
    let prizes = prizes(&api, &fleet).await?;
    let meanwhile = async {
        let late = Fleet::start(&api, &viewers, sessions).await;
        (late, races(&viewers, &prizes).await)
    };
    let (happened, (late, mut winners)) = tokio::join!(fault.happen(cluster), meanwhile);
    cluster.note_created(2 * sessions);
    let recovered = fleet.advances(LINES, RECOVERY).await;
    for (winners, again) in winners.iter_mut().zip(races(&viewers, &prizes).await) {
        *winners += again;
    }
    let mut outcome = Outcome::new(fault, 2 * sessions, recovered.as_ref().ok().copied());
    outcome.breaks(happened.err());
    outcome.breaks(recovered.err());
    for (prize, winners) in prizes.iter().zip(winners).filter(|(_, winners)| *winners > 1) {
        outcome.broken.push(format!("one token of {} opened {winners} streams", prize.uid));
    }
    match late {
        Ok(late) => hear(late, &mut outcome, fault.ends_new_sessions()).await?,
        Err(error) => outcome.breaks(Some(error)),
    }
    hear(fleet, &mut outcome, false).await?;
    cluster.set_clocks().await?;
    let store = Store::open(&cluster.database()).await?;
    outcome.broken.extend(store.settled().await?);
    outcome.broken.extend(store.holds(cluster.created()).await?);
    outcome.broken.extend(invariants::left_runners(cluster.data_dir()));
    Ok(outcome)
}

async fn prizes(api: &api::Api, fleet: &Fleet) -> anyhow::Result<Vec<Prize>> {
    let mut prizes = Vec::new();
    for uid in fleet.uids.iter().take(PRIZES) {
        prizes.push(Prize { uid: uid.clone(), token: api.token(uid, WARM_UP).await? });
    }
    Ok(prizes)
}

/// How many got in with each.
async fn races(viewers: &str, prizes: &[Prize]) -> Vec<usize> {
    let mut winners = Vec::new();
    for prize in prizes {
        winners.push(race(viewers, prize).await);
    }
    winners
}

/// Ends sessions and hears their viewers. Some `may_end` of themselves, and then say why.
async fn hear(fleet: Fleet, outcome: &mut Outcome, may_end: bool) -> anyhow::Result<()> {
    outcome.put_off += fleet.put_off;
    for (uid, story) in fleet.end().await? {
        if !(may_end && story.ended_because().is_some_and(|reason| reason != "exit")) {
            outcome.broken.extend(invariants::of_viewer(&uid, &story));
        }
        outcome.lines += story.lines.count;
        outcome.put_off += story.put_off;
        outcome.returns.extend(story.returns);
    }
    Ok(())
}
