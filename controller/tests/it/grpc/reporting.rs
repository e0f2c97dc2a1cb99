//! What runners report, and what comes of a report that is repeated or late.

use podling_proto::{
    control::{Ended, ReportRequest, Running, Segment, report_request::Phase},
    terminal::Exit,
};
use podling_session::{
    log::hash,
    phase::{self, End},
    session::Session,
    store::SystemStore,
};
use tonic::Code;

use super::{
    log,
    world::{World, bearing, code, stopped},
};

async fn report(world: &World, session: &Session, credential: &str, phase: Phase) -> bool {
    let request = ReportRequest { uid: session.uid.to_string(), incarnation: 1, phase: Some(phase) };
    let answer = world.runners().report(bearing(credential, request)).await;
    answer.expect("reported").into_inner().current
}

fn running() -> Phase {
    Phase::Running(Running { isolation: "reduced".into() })
}

fn ended(code: i32, log_end: u64) -> Phase {
    Phase::Ended(Ended { exit: Some(Exit::from(End::exit(code))), log_end, output_end: log_end })
}

#[tokio::test]
async fn a_report_moves_the_session_and_its_repeat_is_as_current() {
    let world = World::start().await;
    let session = world.create(&[]).await;
    let credential = world.register(&session).await;
    let stage = |name: &str| Phase::Stage(name.into());
    for phase in [stage("fetching"), stage("installing"), stage("installing"), stage("fetching"), running(), running()]
    {
        assert!(report(&world, &session, &credential, phase.clone()).await, "{phase:?}");
    }
    assert!(report(&world, &session, &credential, stage("installing")).await, "a late repeat");
    assert_eq!(world.find(session.uid).await.phase, phase::Phase::Running);
    assert!(report(&world, &session, &credential, ended(3, 700)).await);
    assert!(report(&world, &session, &credential, ended(3, 700)).await);
    assert!(!report(&world, &session, &credential, ended(4, 700)).await);
    assert!(!report(&world, &session, &credential, running()).await);
    let session = world.find(session.uid).await;
    assert_eq!((session.phase, session.log.end), (phase::Phase::Ended(End::exit(3)), 700));
}

#[tokio::test]
async fn the_end_of_a_stopped_session_still_tells_where_its_log_ends() {
    let world = World::start().await;
    let session = world.create(&[]).await;
    let credential = world.register(&session).await;
    world.end(session.life(), &stopped()).await;
    assert!(!report(&world, &session, &credential, ended(143, 512)).await);
    let session = world.find(session.uid).await;
    assert_eq!((session.phase, session.log.end), (phase::Phase::Ended(stopped()), 512));
}

#[tokio::test]
async fn a_report_that_makes_no_sense_is_refused() {
    let world = World::start().await;
    let session = world.create(&[]).await;
    let credential = world.register(&session).await;
    let exit = Exit { reason: "gone".into(), exit_code: None, detail: String::new() };
    let ended = Phase::Ended(Ended { exit: Some(exit), log_end: 0, output_end: 0 });
    let isolation = Phase::Running(Running { isolation: "total".into() });
    for phase in [Some(Phase::Stage("thinking".into())), Some(ended), Some(isolation), None] {
        let request = ReportRequest { uid: session.uid.to_string(), incarnation: 1, phase: phase.clone() };
        let refused = world.runners().report(bearing(&credential, request)).await;
        assert_eq!(code(refused), Code::InvalidArgument, "{phase:?}");
    }
}

#[tokio::test]
async fn a_segment_that_comes_over_the_wire_is_stored_if_its_hash_is_right() {
    let world = World::start().await;
    let session = world.create(&[]).await;
    let credential = world.register(&session).await;
    let data: &[u8] = b"a whole segment";
    let segment = |hash: [u8; 32], data: Option<&'static [u8]>| Segment {
        uid: session.uid.to_string(),
        incarnation: 1,
        sequence: 0,
        first_offset: 0,
        end_offset: 9,
        hash: hash.to_vec().into(),
        size_bytes: 15,
        first_kept_offset: 0,
        data: data.map(Into::into),
        gap_end: None,
    };
    let send = |segment| async { code(world.runners().report_segment(bearing(&credential, segment)).await) };
    assert_eq!(send(segment([0; 32], Some(b"a whole segment"))).await, Code::InvalidArgument);
    assert_eq!(send(segment(hash(data), Some(b"a whole segment"))).await, Code::Ok);
    assert_eq!(send(segment(hash(data), None)).await, Code::Ok, "a repeat");
    assert_eq!(std::fs::read(log::file(&world, &session, 0)).expect("stored"), data);
    let rows = world.store.segments(session.life()).await.expect("the store answers");
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].end_offset, rows[0].hash), (9, hash(data)));
}
