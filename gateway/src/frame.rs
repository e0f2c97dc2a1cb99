//! Events as messages of the viewer's dialect.

use bytes::Bytes;
use podling_proto::terminal::{Exit, Fetched, Roll, Skipped, Snapshot, Stage};
use podling_session::frame::ServerFrame;
use serde::Serialize;

use crate::{attach::Dialect, close::Ending, upstream::Event};

#[derive(Serialize)]
struct StageJson<'a> {
    stage: &'a str,
    elapsed_millis: u64,
}

#[derive(Serialize)]
struct ExitJson<'a> {
    reason: &'a str,
    exit_code: Option<i32>,
    detail: &'a str,
}

#[derive(Serialize)]
struct RollJson<'a> {
    you: u32,
    holder: Option<u32>,
    people: Vec<PersonJson<'a>>,
}

#[derive(Serialize)]
struct PersonJson<'a> {
    number: u32,
    name: Option<&'a str>,
    owner: bool,
    read_only: bool,
    asks: bool,
}

impl<'a> From<&'a Roll> for RollJson<'a> {
    fn from(roll: &'a Roll) -> RollJson<'a> {
        let people = roll.people.iter().map(|person| PersonJson {
            number: person.number,
            name: Some(person.name.as_str()).filter(|name| !name.is_empty()),
            owner: person.owner,
            read_only: person.read_only,
            asks: person.asks,
        });
        RollJson { you: roll.you, holder: Some(roll.holder).filter(|holder| *holder > 0), people: people.collect() }
    }
}

/// Everything but output and the end. To a plain client a screen is bytes, and it gets nothing else of it.
pub(crate) fn aside(dialect: Dialect, event: Event) -> Option<Bytes> {
    if dialect == Dialect::Plain {
        return match event {
            Event::Snapshot(screen) => Some(screen.data),
            _ => None,
        };
    }
    let frame = match event {
        Event::Snapshot(Snapshot { offset, data, size, replay }) => {
            ServerFrame::Snapshot { offset, replay, size: size?.try_into().ok()?, bytes: data }
        }
        Event::Skipped(Skipped { from, to }) => ServerFrame::Skipped { from, to },
        Event::Fetched(Fetched { offset, data }) => ServerFrame::Fetched { offset, bytes: data },
        Event::InputTaken(total) => ServerFrame::InputTaken { total },
        Event::Resume { generation, token } => ServerFrame::Resume { generation, token },
        Event::Stage(Stage { name, elapsed_millis }) => {
            ServerFrame::Stage { json: json(&StageJson { stage: &name, elapsed_millis }) }
        }
        Event::Resized(size) => ServerFrame::Resized(size.try_into().ok()?),
        Event::Viewers(count) => ServerFrame::Viewers(count),
        Event::Roll(roll) => ServerFrame::Lease { json: json(&RollJson::from(&roll)) },
        Event::Mark(text) => ServerFrame::Mark { text },
        Event::Output(_) | Event::End(_) => return None,
    };
    Some(frame.encode())
}

/// What stands before the close frame.
pub(crate) fn last_words(dialect: Dialect, ending: &Ending) -> Option<Bytes> {
    let bytes = match (ending, dialect) {
        (Ending::Exit(Exit { reason, exit_code, detail }), Dialect::Framed) => {
            let json = json(&ExitJson { reason, exit_code: *exit_code, detail });
            ServerFrame::Exit { json }.encode()
        }
        (Ending::Exit(exit), Dialect::Plain) => format!("\r\n[podling] {}\r\n", exit.detail).into(),
        (Ending::Refused(refused), Dialect::Framed) => ServerFrame::Error { json: json(&refused.problem()) }.encode(),
        _ => return None,
    };
    Some(bytes)
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("strings and numbers always serialize")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_a_frame_or_a_line() {
        let exit =
            Exit { reason: "exit".into(), exit_code: Some(3), detail: "The command ended with exit code 3.".into() };
        let ending = Ending::Exit(exit);
        let framed = last_words(Dialect::Framed, &ending).expect("a frame");
        assert_eq!(&framed[1..], br#"{"reason":"exit","exit_code":3,"detail":"The command ended with exit code 3."}"#);
        let plain = last_words(Dialect::Plain, &ending).expect("a line");
        assert_eq!(&plain[..], b"\r\n[podling] The command ended with exit code 3.\r\n");
        assert!(last_words(Dialect::Framed, &Ending::Draining).is_none());
    }
}
