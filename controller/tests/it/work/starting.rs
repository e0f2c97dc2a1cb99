//! Many sessions at once.

use podling_session::{phase::Phase, principal::Principal, session::Session};

use super::world::{OBEDIENT, World};

/// As many as the work loop does at once.
const AT_ONCE: usize = 16;

async fn how_many_started(world: &World, sessions: &[Session]) -> usize {
    let mut started = 0;
    for session in sessions {
        let now = world.core().system.find(session.uid).await.expect("the store answers").expect("not pruned");
        started += usize::from(matches!(now.phase, Phase::Starting { .. }));
    }
    started
}

#[tokio::test(flavor = "multi_thread")]
async fn starts_that_share_a_machine_wait_for_those_before_but_not_for_ever() {
    let world = World::start(OBEDIENT).await;
    let mut sessions = Vec::new();
    for number in 0..AT_ONCE + 2 {
        let mut caller = Principal::local_owner();
        caller.owner.subject = number.to_string().into();
        sessions.push(world.create_for(&caller).await);
    }
    // None of these runners ever says a word.
    world.started(&sessions[AT_ONCE - 1]).await;
    assert_eq!(how_many_started(&world, &sessions).await, AT_ONCE);
    world.started(&sessions[AT_ONCE + 1]).await;
    for session in &sessions {
        world.delete(session).await;
    }
    world.nothing_left().await;
}
