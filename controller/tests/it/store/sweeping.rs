//! What time does to sessions.

use std::time::Duration;

use podling_session::{
    id::Incarnation,
    phase::{EndReason, Stage},
    session::Session,
    spec::Spec,
    store::{NewSession, Swept},
};

use super::world::*;

async fn sweep(world: &impl World) -> Swept {
    world.store().sweep(DAY, MINUTE).await.expect("the store answers")
}

fn with(change: impl FnOnce(&mut Spec)) -> NewSession {
    let mut new = new();
    change(&mut new.spec);
    new
}

/// The runner is heard of, and nothing happens in the terminal.
async fn heard(world: &impl World, life: Incarnation) -> bool {
    beat(world, life, quiet(DAY)).await
}

/// Just before `after` the session lives, and at it, it ends with `reason`.
async fn ends(world: &impl World, session: &Session, after: Duration, expected: EndReason) {
    world.advance(after - SECOND);
    heard(world, session.life()).await;
    assert_eq!(sweep(world).await.ended, [], "{expected} came early");
    world.advance(SECOND);
    heard(world, session.life()).await;
    let ended = sweep(world).await.ended;
    assert_eq!(ended.iter().map(|(uid, end)| (*uid, end.reason)).collect::<Vec<_>>(), [(session.uid, expected)]);
    let now = find(world, session.life()).await;
    assert_eq!(now.phase.end(), Some(&ended[0].1));
    assert_eq!(world.store().sealed(session.uid).await.expect("the store answers").expect("held").secrets, None);
    assert_eq!(claim(world).await.expect("its release is due").session().uid, session.uid);
    let last = world.store().events(session.uid, 0).await.expect("the store answers").pop().expect("an event");
    assert_eq!((last.kind.as_str(), last.detail), ("session.ended", ended[0].1.detail.clone()));
}

pub(crate) async fn a_session_must_be_launched_in_time(world: impl World) {
    let pending = create(&world, with(|spec| spec.start_deadline = 5 * MINUTE)).await;
    ends(&world, &pending, 5 * MINUTE, EndReason::StartDeadline).await;
}

pub(crate) async fn stages_do_not_prolong_the_start(world: impl World) {
    let starting = start(&world, with(|spec| spec.start_deadline = 5 * MINUTE)).await;
    world.advance(MINUTE);
    assert!(world.store().stage(starting.life(), Stage::Installing).await.expect("the store answers"));
    ends(&world, &starting, 4 * MINUTE, EndReason::StartDeadline).await;
}

pub(crate) async fn the_deadline_counts_from_running(world: impl World) {
    let session = start(&world, with(|spec| spec.deadline = HOUR)).await;
    world.advance(MINUTE);
    assert!(
        world.store().running(session.life(), podling_session::session::Isolation::Full).await.expect("it answers")
    );
    world.advance(29 * MINUTE);
    assert!(beat(&world, session.life(), quiet(Duration::ZERO)).await);
    world.advance(29 * MINUTE);
    assert!(beat(&world, session.life(), quiet(Duration::ZERO)).await);
    ends(&world, &session, 2 * MINUTE, EndReason::Deadline).await;
}

pub(crate) async fn idleness_counts_from_the_last_activity(world: impl World) {
    let session = run(&world, with(|spec| spec.idle = 10 * MINUTE)).await;
    world.advance(9 * MINUTE);
    assert!(beat(&world, session.life(), quiet(MINUTE)).await);
    ends(&world, &session, 9 * MINUTE, EndReason::Idle).await;
}

/// Sweeps every 5 s for as long as that, as a reaper does.
async fn listen(world: &impl World, span: Duration) -> Vec<EndReason> {
    let mut ended = Vec::new();
    for _ in 0..span.as_secs() / 5 {
        world.advance(5 * SECOND);
        ended.extend(sweep(world).await.ended.into_iter().map(|(_, end)| end.reason));
    }
    ended
}

pub(crate) async fn a_runner_that_falls_silent_is_lost(world: impl World) {
    run(&world, new()).await;
    let starting = start(&world, new()).await.life();
    let id = runner_id(starting);
    assert!(world.store().register(id, b"certificate", "unix:/a").await.expect("the store answers"));
    let unregistered = start(&world, new()).await;
    assert_eq!(listen(&world, 50 * SECOND).await, []);
    assert_eq!(listen(&world, 15 * SECOND).await, [EndReason::RunnerLost; 2]);
    assert!(find(&world, unregistered.life()).await.phase.end().is_none());
}

pub(crate) async fn a_runner_that_is_heard_of_is_not_lost(world: impl World) {
    let life = run(&world, new()).await.life();
    for _ in 0..10 {
        assert_eq!(listen(&world, 40 * SECOND).await, []);
        assert!(heard(&world, life).await);
    }
}

pub(crate) async fn after_an_outage_silence_is_counted_from_the_recovery(world: impl World) {
    run(&world, new()).await;
    assert_eq!(listen(&world, 30 * SECOND).await, []);
    world.advance(5 * MINUTE);
    assert_eq!(sweep(&world).await.ended, []);
    assert_eq!(listen(&world, 50 * SECOND).await, []);
    assert_eq!(listen(&world, 15 * SECOND).await, [EndReason::RunnerLost]);
}

pub(crate) async fn an_ended_session_is_kept_a_while_after_its_release(world: impl World) {
    let session = run(&world, new()).await;
    let (store, life) = (world.store(), session.life());
    end(&world, life).await;
    world.advance(2 * DAY);
    assert_eq!(sweep(&world).await.pruned, [], "what is held is not forgotten");
    release(&world, life).await;
    let released = find(&world, life).await;
    assert_eq!(sweep(&world).await.pruned, [released]);
    assert_eq!(store.find(session.uid).await.expect("the store answers"), None);
    assert_eq!(store.sealed(session.uid).await.expect("the store answers"), None);
    assert_eq!(store.runner_of(life).await.expect("the store answers"), None);
    assert_eq!(store.events(session.uid, 0).await.expect("the store answers"), []);
    assert_eq!(sweep(&world).await, Swept::default());
}

pub(crate) async fn an_ended_session_is_pruned_when_its_time_has_come(world: impl World) {
    let life = create(&world, new()).await.life();
    end(&world, life).await;
    release(&world, life).await;
    world.advance(DAY - MINUTE);
    assert_eq!(sweep(&world).await.pruned, []);
    world.advance(MINUTE);
    assert_eq!(sweep(&world).await.pruned.len(), 1);
}

pub(crate) async fn a_deleted_session_is_pruned_at_once_when_released(world: impl World) {
    let session = run(&world, new()).await;
    world.store().delete(&own(), &session.id, stopped()).await.expect("the store answers");
    assert_eq!(sweep(&world).await.pruned, []);
    release(&world, session.life()).await;
    let pruned = sweep(&world).await.pruned;
    assert_eq!(pruned.iter().map(|session| session.uid).collect::<Vec<_>>(), [session.uid]);
}

pub(crate) async fn many_are_swept_in_turns(world: impl World) {
    let mut made = Vec::new();
    for _ in 0..230 {
        made.push(create(&world, with(|spec| spec.start_deadline = SECOND)).await.life());
    }
    world.advance(SECOND);
    let mut ended = 0;
    for _ in 0..10 {
        ended += sweep(&world).await.ended.len();
    }
    assert_eq!(ended, made.len());
    for life in &made {
        assert!(release(&world, *life).await);
    }
    world.advance(DAY);
    let mut pruned = 0;
    for _ in 0..10 {
        pruned += sweep(&world).await.pruned.len();
    }
    assert_eq!(pruned, made.len());
}
