//! Every byte, through cuts.

use podling_e2e::{podling::Podling, viewer::Viewer};
use rand::RngExt;

#[tokio::test]
async fn two_hundred_thousand_lines_pass_ten_random_cuts_with_none_missing_and_none_doubled() {
    let podling = Podling::start().await;
    let session = podling.run("seq 1 200000").await;
    let total: u64 = (1..=200_000u64).map(|n| n.to_string().len() as u64 + 2).sum();
    let mut cuts: Vec<u64> = (0..10).map(|_| rand::rng().random_range(0..total)).collect();
    cuts.sort_unstable();
    println!("cuts at {cuts:?}");
    let mut output = Vec::new();
    let mut viewer = Viewer::of(&podling, &session).await;
    for cut in cuts {
        while viewer.offset <= cut || viewer.resume.is_none() {
            let closed = viewer.step().await;
            assert_eq!(closed, None, "closed before {cut} at {}: {:?}", viewer.offset, viewer.error);
        }
        output.append(&mut viewer.output);
        let offset = viewer.offset;
        let (_, token) = viewer.cut().expect("a resume token");
        viewer = Viewer::resume(&podling.url, &session.uid, &token, offset).await;
    }
    assert_eq!(viewer.to_end().await.code, 1000);
    output.append(&mut viewer.output);
    let expected: String = (1..=200_000).map(|n| format!("{n}\r\n")).collect();
    assert_eq!(output.len(), expected.len());
    assert!(output == expected.as_bytes(), "every line, in order, once");
}
