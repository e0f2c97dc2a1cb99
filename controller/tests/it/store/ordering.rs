//! Whatever comes in whatever order, a session goes the way that the domain allows.

use podling_session::{
    id::Incarnation,
    phase::{End, EndReason, Phase, Stage},
    session::Isolation,
};

use super::world::*;

const ROUNDS: usize = 100;
const STEPS: usize = 12;

/// A phase that somebody wants to bring a session to.
fn wish() -> Phase {
    match rand::random_range(0..10) {
        0 => Phase::Starting { stage: Stage::Scheduling },
        number @ 1..=6 => Phase::Starting { stage: Stage::ALL[number % Stage::ALL.len()] },
        7 | 8 => Phase::Running,
        _ => Phase::Ended(End::because(EndReason::ALL[rand::random_range(0..EndReason::ALL.len())])),
    }
}

/// Whether the store granted it.
async fn ask(world: &impl World, life: Incarnation, wish: &Phase) -> bool {
    let store = world.store();
    let granted = match wish {
        Phase::Starting { stage: Stage::Scheduling } => store.launched(life, runner_id(life)).await,
        Phase::Starting { stage } => store.stage(life, *stage).await,
        Phase::Running => store.running(life, Isolation::Full).await,
        Phase::Ended(end) => store.end(life, end).await,
        Phase::Pending | Phase::Asleep => unreachable!("nobody wishes for it"),
    };
    granted.expect("the store answers")
}

/// What the domain says, less what no method asks for: only a launch leads out of Pending.
fn allowed(from: &Phase, wish: &Phase) -> bool {
    let launch = *wish == Phase::Starting { stage: Stage::Scheduling };
    let starts = matches!(wish, Phase::Starting { .. });
    from.advance(wish.clone()).is_ok() && (!starts || launch == (*from == Phase::Pending))
}

pub(crate) async fn the_store_grants_what_the_domain_allows_in_any_order(world: impl World) {
    for _ in 0..ROUNDS {
        let life = create(&world, new()).await.life();
        let (mut phase, mut told, mut changes) = (Phase::Pending, Vec::new(), 1);
        for _ in 0..STEPS {
            let wish = wish();
            told.push(wish.clone());
            let expected = allowed(&phase, &wish);
            assert_eq!(ask(&world, life, &wish).await, expected, "from {phase:?}, after {told:?}");
            if expected {
                (phase, changes) = (wish, changes + 1);
            }
            assert_eq!(find(&world, life).await.phase, phase, "after {told:?}");
        }
        let events = world.store().events(life.uid, 0).await.expect("the store answers");
        assert_eq!(events.len(), changes, "after {told:?}");
    }
}
