//! The life of a session, told by its runner.

use podling_session::{
    event::Cursor,
    id::Incarnation,
    phase::{End, EndReason, Phase, Stage},
    session::{Isolation, LogRange},
    store::{Beat, SegmentRow},
};

use tokio::time::Instant;

use super::world::*;

fn next(life: Incarnation) -> Incarnation {
    Incarnation { number: life.number + 1, ..life }
}

pub(crate) async fn a_session_goes_through_its_stages_to_its_end(world: impl World) {
    let store = world.store();
    let life = start(&world, new()).await.life();
    assert_eq!(find(&world, life).await.phase, Phase::Starting { stage: Stage::Scheduling });
    assert!(store.stage(life, Stage::Verifying).await.expect("the store answers"));
    for passed in [Stage::Scheduling, Stage::Fetching, Stage::Verifying] {
        assert!(!store.stage(life, passed).await.expect("the store answers"), "{passed} is over");
    }
    assert!(store.running(life, Isolation::Reduced).await.expect("the store answers"));
    let running = find(&world, life).await;
    assert_eq!((&running.phase, running.isolation), (&Phase::Running, Some(Isolation::Reduced)));
    assert!(running.started_at.is_some() && running.ended_at.is_none());
    assert!(!store.stage(life, Stage::Installing).await.expect("the store answers"));
    assert!(store.end(life, &End::exit(7)).await.expect("the store answers"));
    let ended = find(&world, life).await;
    assert_eq!(ended.phase, Phase::Ended(End::exit(7)));
    assert!(ended.ended_at >= ended.started_at);
}

pub(crate) async fn a_session_is_launched_once(world: impl World) {
    let life = start(&world, new()).await.life();
    assert!(!world.store().launched(life, runner_id(life)).await.expect("the store answers"));
    let ended = create(&world, new()).await.life();
    assert!(end(&world, ended).await);
    assert!(!world.store().launched(ended, runner_id(ended)).await.expect("the store answers"));
    assert_eq!(world.store().runner_of(ended).await.expect("the store answers"), None);
}

pub(crate) async fn another_incarnation_changes_nothing(world: impl World) {
    let store = world.store();
    let made = start(&world, new()).await;
    let other = next(made.life());
    assert!(!store.launched(other, runner_id(other)).await.expect("the store answers"));
    assert!(!store.stage(other, Stage::Installing).await.expect("the store answers"));
    assert!(!store.running(other, Isolation::Full).await.expect("the store answers"));
    assert!(!store.end(other, &stopped()).await.expect("the store answers"));
    assert!(!beat(&world, other, quiet(SECOND)).await);
    assert!(!store.release(other).await.expect("the store answers"));
    store.log_end(other, 9).await.expect("the store answers");
    assert_eq!(find(&world, made.life()).await, made);
}

pub(crate) async fn a_session_ends_once_and_its_secrets_go_with_it(world: impl World) {
    let store = world.store();
    let made = run(&world, new()).await;
    assert!(store.end(made.life(), &End::exit(0)).await.expect("the store answers"));
    assert!(!store.end(made.life(), &stopped()).await.expect("the store answers"));
    assert_eq!(reason(&find(&world, made.life()).await), Some(EndReason::Exit));
    let sealed = store.sealed(made.uid).await.expect("the store answers").expect("it is there");
    assert_eq!((sealed.key, sealed.secrets), (b"key".to_vec(), None));
}

pub(crate) async fn an_end_keeps_its_own_words(world: impl World) {
    let life = start(&world, new()).await.life();
    let end =
        End { reason: EndReason::Source, exit_code: None, detail: "The host \"x\" answered 404; it's gone.".into() };
    assert!(world.store().end(life, &end).await.expect("the store answers"));
    assert_eq!(find(&world, life).await.phase, Phase::Ended(end));
}

pub(crate) async fn a_beat_moves_activity_forward_only(world: impl World) {
    let made = run(&world, new()).await;
    let life = made.life();
    world.advance(MINUTE);
    assert!(beat(&world, life, quiet(10 * SECOND)).await);
    let active = find(&world, life).await.last_activity_at;
    assert!(active > made.last_activity_at);
    assert!(beat(&world, life, quiet(HOUR)).await);
    assert_eq!(find(&world, life).await.last_activity_at, active);
}

pub(crate) async fn a_beat_tells_viewers_and_log(world: impl World) {
    let store = world.store();
    let life = run(&world, new()).await.life();
    let told = |viewers, log_end| Beat { idle_for: SECOND, viewers, log_end };
    assert!(beat(&world, life, told(3, 500)).await);
    assert!(beat(&world, life, told(1, 400)).await);
    let session = find(&world, life).await;
    assert_eq!((session.viewers, session.log), (1, LogRange { first: 0, end: 500 }));
    // What the runner could store in the end may be less than it had said.
    store.log_end(life, 450).await.expect("the store answers");
    assert_eq!(find(&world, life).await.log.end, 450);
}

pub(crate) async fn a_runner_of_an_ended_session_is_told(world: impl World) {
    let life = run(&world, new()).await.life();
    assert!(end(&world, life).await);
    let before = find(&world, life).await;
    assert!(!beat(&world, life, quiet(SECOND)).await);
    assert_eq!(find(&world, life).await, before);
}

pub(crate) async fn a_runner_registers_with_one_certificate_until_its_credential_is_used(world: impl World) {
    let store = world.store();
    let life = start(&world, new()).await.life();
    let id = runner_id(life);
    let fresh = store.runner(id).await.expect("the store answers").expect("it was launched");
    assert_eq!((fresh.life, fresh.registered_at, fresh.certificate_hash), (Some(life), None, None));
    assert!(store.register(id, b"one", "unix:/a").await.expect("the store answers"));
    assert!(store.register(id, b"one", "unix:/b").await.expect("the store answers"));
    assert!(!store.register(id, b"two", "unix:/c").await.expect("the store answers"));
    let bound = store.runner_of(life).await.expect("the store answers").expect("it was launched");
    assert_eq!((&bound.certificate[..], bound.address.as_deref()), (&b"one"[..], Some("unix:/b")));
    assert!(bound.registered_at.is_some() && bound.certificate_hash.is_some() && !bound.credential_used);
    store.credential_used(id).await.expect("the store answers");
    assert!(!store.register(id, b"one", "unix:/d").await.expect("the store answers"));
    assert!(store.runner(id).await.expect("the store answers").expect("it was launched").credential_used);
}

pub(crate) async fn an_unknown_runner_is_nobody(world: impl World) {
    let store = world.store();
    let life = create(&world, new()).await.life();
    assert!(!store.register(runner_id(life), b"one", "unix:/a").await.expect("the store answers"));
    store.credential_used(runner_id(life)).await.expect("the store answers");
    assert_eq!(store.runner(runner_id(life)).await.expect("the store answers"), None);
}

fn segment(sequence: u64, first_offset: u64, end_offset: u64) -> SegmentRow {
    let fill = u8::try_from(sequence).expect("a small test");
    SegmentRow { sequence, first_offset, end_offset, bytes: end_offset - first_offset + 77, hash: [fill; 32] }
}

pub(crate) async fn segments_are_kept_in_order_and_once(world: impl World) {
    let store = world.store();
    let life = run(&world, new()).await.life();
    let all = [segment(0, 0, 0), segment(1, 0, 100), segment(2, 100, 250)];
    for segment in [all[1], all[0], all[1], all[2]] {
        store.add_segment(life, segment, 0).await.expect("the store answers");
    }
    assert_eq!(store.segments(life).await.expect("the store answers"), all);
    assert_eq!(find(&world, life).await.log, LogRange { first: 0, end: 250 });
    assert!(store.segments(next(life)).await.expect("the store answers").is_empty());
}

pub(crate) async fn segments_before_the_first_kept_offset_go(world: impl World) {
    let store = world.store();
    let life = run(&world, new()).await.life();
    for (sequence, first) in [(0, 0), (1, 100), (2, 200)] {
        store.add_segment(life, segment(sequence, first, first + 100), 0).await.expect("the store answers");
    }
    store.add_segment(life, segment(3, 300, 400), 200).await.expect("the store answers");
    let kept: Vec<_> = store.segments(life).await.expect("the store answers").iter().map(|s| s.sequence).collect();
    assert_eq!(kept, [2, 3]);
    // A report that comes late brings nothing back.
    store.add_segment(life, segment(0, 0, 100), 0).await.expect("the store answers");
    assert_eq!(find(&world, life).await.log, LogRange { first: 200, end: 400 });
    let kept: Vec<_> = store.segments(life).await.expect("the store answers").iter().map(|s| s.sequence).collect();
    assert_eq!(kept, [2, 3]);
}

pub(crate) async fn segments_of_nobody_are_dropped(world: impl World) {
    let life = Incarnation { uid: podling_session::id::Uid::new(), number: 1 };
    world.store().add_segment(life, segment(0, 0, 10), 0).await.expect("the store answers");
    assert!(world.store().segments(life).await.expect("the store answers").is_empty());
}

pub(crate) async fn events_are_numbered_without_gaps(world: impl World) {
    let store = world.store();
    let made = run(&world, named("mine")).await;
    let life = made.life();
    store.note(made.uid, "log.gap", "Bytes 5 to 9 are lost.").await.expect("the store answers");
    end(&world, life).await;
    // What changes nothing is no event.
    end(&world, life).await;
    store.stage(life, Stage::Installing).await.expect("the store answers");
    release(&world, life).await;
    store.delete(&own(), &made.id, stopped()).await.expect("the store answers");
    let events = store.events(made.uid, 0).await.expect("the store answers");
    let kinds: Vec<_> = events.iter().map(|event| event.kind.as_str()).collect();
    let expected = ["created", "starting", "running", "", "ended", "released", "deleted"].map(|word| match word {
        "" => "log.gap".to_owned(),
        word => format!("session.{word}"),
    });
    assert_eq!(kinds, expected);
    assert!(events.iter().zip(1..).all(|(event, number)| event.sequence == number));
    let tail = store.events(made.uid, 5).await.expect("the store answers");
    assert_eq!(tail, events[5..]);
}

pub(crate) async fn of_many_beats_those_that_do_not_go_on_are_named(world: impl World) {
    let mut beats = Vec::new();
    for _ in 0..20 {
        let session = run(&world, new()).await;
        beats.push((session.life(), Beat { idle_for: SECOND, viewers: 1, log_end: 5 }));
    }
    let (ended, moved) = (beats[3].0, next(beats[7].0));
    assert!(end(&world, ended).await);
    beats[7].0 = moved;
    let mut over = world.store().beats(&beats).await.expect("the store answers");
    over.sort_by_key(|life| life.uid);
    assert_eq!(over, [ended, moved]);
    for (life, _) in beats.iter().filter(|(life, _)| !over.contains(life)) {
        let session = find(&world, *life).await;
        assert_eq!((session.viewers, session.log.end), (1, 5));
    }
    assert_eq!(world.store().beats(&[]).await.expect("the store answers"), []);
}

pub(crate) async fn the_feed_tells_every_event_once_and_in_order(world: impl World) {
    let (mut seen, mut cursor) = (Vec::new(), Cursor::default());
    let mut uids = Vec::new();
    for _ in 0..3 {
        uids.push(run(&world, new()).await.uid);
        // On a server of others as well, what they are just writing holds it back.
        let deadline = Instant::now() + 10 * SECOND;
        while seen.len() < 3 * uids.len() {
            assert!(Instant::now() < deadline, "{seen:?}");
            let feed = world.store().feed(cursor, 100).await.expect("the store answers");
            (cursor, seen) = (feed.next, [seen, feed.events].concat());
        }
    }
    let end = world.store().feed(cursor, 100).await.expect("the store answers");
    assert_eq!((end.events, end.next), (Vec::new(), cursor));
    let whole: Vec<_> = seen.iter().map(|event| (event.uid, event.sequence)).collect();
    assert_eq!(whole, uids.iter().flat_map(|uid| (1..=3).map(|n| (*uid, n))).collect::<Vec<_>>());
    let few = world.store().feed(Cursor::default(), 4).await.expect("the store answers");
    assert_eq!(few.events, seen[..4]);
    let rest = world.store().feed(few.next, 100).await.expect("the store answers");
    assert_eq!(rest.events, seen[4..]);
}
