//! Output that storage refused is told as an event, once.

use podling_proto::control::{Ended, ReportRequest, Segment, report_request::Phase};
use podling_session::{log::hash, phase::End, store::SystemStore};

use super::world::{World, bearing};

#[tokio::test]
async fn lost_output_is_an_event_however_often_it_is_reported() {
    let world = World::start().await;
    let session = world.create(&[]).await;
    let credential = world.register(&session).await;
    let segment = Segment {
        uid: session.uid.to_string(),
        incarnation: 1,
        sequence: 0,
        first_offset: 100,
        end_offset: 900,
        hash: hash(b"x").to_vec().into(),
        size_bytes: 1,
        first_kept_offset: 0,
        data: None,
        gap_end: Some(700),
    };
    let ended = Ended { exit: Some(End::exit(0).into()), log_end: 900, output_end: 1_000 };
    for _ in 0..2 {
        world.runners().report_segment(bearing(&credential, segment.clone())).await.expect("taken");
        let phase = Some(Phase::Ended(ended.clone()));
        let report = ReportRequest { uid: session.uid.to_string(), incarnation: 1, phase };
        world.runners().report(bearing(&credential, report)).await.expect("taken");
    }
    let events = world.store.events(session.uid, 0).await.expect("the store answers");
    let gaps: Vec<_> = events.iter().filter(|event| event.kind == "log.gap").map(|event| &event.detail).collect();
    assert_eq!(gaps.len(), 2, "{gaps:?}");
    assert!(gaps[0].contains("from offset 100 to 700") && gaps[1].contains("from offset 900 to 1000"), "{gaps:?}");
}
