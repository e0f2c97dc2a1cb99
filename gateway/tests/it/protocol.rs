//! docs/protocol.md says what the code does: each of its examples is read and written.

use bytes::Bytes;
use podling_session::frame::{ClientFrame, ServerFrame};

const PAGE: &str = include_str!("../../../docs/protocol.md");

/// The rows `| name | payload | example | meaning |` of a section.
fn examples(section: &str) -> Vec<(&'static str, Bytes)> {
    let (_, rest) = PAGE.split_once(section).expect("the section is there");
    let section = rest.split("\n## ").next().expect("its text");
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<_> = row.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let bytes = cells[3].split(' ').map(|pair| u8::from_str_radix(pair, 16).expect("hexadecimal"));
        (cells[1], bytes.collect())
    })
    .collect()
}

#[test]
fn every_example_of_a_server_frame_is_one() {
    let examples = examples("## Frames from the server");
    assert_eq!(examples.len(), 13);
    for (name, bytes) in examples {
        let frame = ServerFrame::decode(bytes.clone()).expect(name).expect(name);
        assert_eq!(frame.encode(), bytes, "{name}");
        assert!(format!("{frame:?}").to_lowercase().starts_with(&name.replace('-', "")), "{name} is {frame:?}");
    }
}

#[test]
fn every_example_of_a_client_frame_is_one() {
    let examples = examples("## Frames from the client");
    assert_eq!(examples.len(), 7);
    for (name, bytes) in examples {
        let frame = ClientFrame::decode(bytes.clone()).expect(name).expect(name);
        assert_eq!(frame.encode(), bytes, "{name}");
        assert!(format!("{frame:?}").to_lowercase().starts_with(&name.replace('-', "")), "{name} is {frame:?}");
    }
}
