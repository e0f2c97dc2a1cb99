//! What a runner that died left of its log.

use podling_controller::logs::read::Stored;
use podling_session::{
    id::Uid,
    log::{Body, HEADER_BYTES, hash},
    phase::End,
    session::Session,
    store::SystemStore,
};

use super::{
    log::{self, Writer, output},
    world::World,
};

/// All output of the stored log.
async fn read(world: &World, session: &Session) -> Vec<u8> {
    let session = world.find(session.uid).await;
    let stored = Stored::find(&world.core.logs, world.store.as_ref(), &session).await.expect("the store answers");
    let mut reader = stored.read(0);
    let mut bytes = Vec::new();
    while let Some(record) = reader.next().await.expect("the log is whole") {
        if let Body::Output(data) = record.body {
            bytes.extend_from_slice(&data);
        }
    }
    bytes
}

#[tokio::test]
async fn a_log_that_was_cut_anywhere_is_settled_to_its_whole_records() {
    let world = World::start().await;
    let session = world.create(&[]).await;
    let mut writer = Writer::new(&world, &session);
    writer.seal(vec![output("reported ")]).await;
    let tail = vec![output("one "), output("two "), output("three "), Body::Exit(End::exit(7))];
    let whole = writer.write(tail);
    let file = log::file(&world, &session, 1);
    let bytes = std::fs::read(&file).expect("readable");
    let ends = ["", "one ", "one two ", "one two three "].map(|tail| format!("reported {tail}"));
    for cut in 0..=bytes.len() {
        // Another session each time, with the same log up to the cut.
        let session = world.create(&[]).await;
        let mut writer = Writer::new(&world, &session);
        writer.seal(vec![output("reported ")]).await;
        let first = std::fs::read(log::file(&world, &session, 0)).expect("readable");
        let mut torn = bytes[..cut].to_vec();
        if cut >= HEADER_BYTES {
            torn[24..HEADER_BYTES].copy_from_slice(&hash(&first));
        }
        std::fs::write(log::file(&world, &session, 1), torn).expect("written");
        let end = world.core.logs.settle(&world.core, session.life()).await.expect("settled");
        assert_eq!(end, (cut == bytes.len()).then(|| End::exit(7)), "cut at {cut}");
        let text = String::from_utf8(read(&world, &session).await).expect("ASCII");
        assert!(ends.contains(&text), "cut at {cut}: {text:?}");
        assert_eq!(world.find(session.uid).await.log.end, text.len() as u64);
        let rows = world.store.segments(session.life()).await.expect("the store answers");
        let again = world.core.logs.settle(&world.core, session.life()).await.expect("settled again");
        assert_eq!((again, world.store.segments(session.life()).await.expect("the store answers")), (end, rows));
    }
    assert_eq!(whole.end_offset, 23);
}

#[tokio::test]
async fn segments_that_were_sealed_but_not_reported_are_taken_up_in_order() {
    let world = World::start().await;
    let session = world.create(&[]).await;
    let mut writer = Writer::new(&world, &session);
    let rows = [writer.write(vec![output("a")]), writer.write(vec![output("b")]), writer.write(vec![output("c")])];
    assert_eq!(world.core.logs.settle(&world.core, session.life()).await.expect("settled"), None);
    assert_eq!(world.store.segments(session.life()).await.expect("the store answers"), rows);
    assert_eq!(read(&world, &session).await, b"abc");
}

#[tokio::test]
async fn a_log_end_that_was_never_stored_is_taken_back() {
    let world = World::start().await;
    let session = world.create(&[]).await;
    world.store.log_end(session.life(), 4_096).await.expect("the store answers");
    assert_eq!(world.core.logs.settle(&world.core, session.life()).await.expect("nothing to settle"), None);
    assert_eq!(world.find(session.uid).await.log.end, 0);
}

#[tokio::test]
async fn a_session_that_is_not_there_has_nothing_to_settle_and_a_broken_log_holds_nobody() {
    let world = World::start().await;
    let nobody = podling_session::id::Incarnation { uid: Uid::new(), number: 1 };
    assert_eq!(world.core.logs.settle(&world.core, nobody).await.expect("settled"), None);
    let session = world.create(&[]).await;
    Writer::new(&world, &session).seal(vec![output("a")]).await;
    std::fs::write(log::file(&world, &session, 0), b"scribbled over").expect("written");
    assert_eq!(world.core.logs.settle(&world.core, session.life()).await.expect("settled"), None);
}
