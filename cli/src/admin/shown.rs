//! An answer in words: as it is in JSON, or as a table.

use std::{io::Write, sync::LazyLock};

use podling_proto::ADMIN_DESCRIPTORS;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use serde_json::Value;

use super::connect::AdminError;

/// Of a value in a table.
const MAX_CELL: usize = 60;

static DESCRIPTORS: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(ADMIN_DESCRIPTORS).expect("it was compiled with this program"));

pub(super) struct Output {
    pub(super) json: bool,
}

impl Output {
    /// A message of `podling.admin.v1`, a line for each of its fields.
    pub(super) fn one(&self, name: &str, message: &impl Message) -> Result<(), AdminError> {
        let value = value(name, message);
        if self.json {
            return say(&value.to_string());
        }
        let Value::Object(fields) = value else { return Ok(()) };
        let rows = fields.iter().map(|(name, value)| vec![name.clone(), cell(value)]).collect();
        say(&table(rows))
    }

    /// Messages, with these of their fields as columns.
    pub(super) fn many<M: Message>(&self, name: &str, messages: &[M], columns: &[&str]) -> Result<(), AdminError> {
        let mut values = messages.iter().map(|message| value(name, message));
        if self.json {
            return values.try_for_each(|value| say(&value.to_string()));
        }
        let head = columns.iter().map(|column| column.to_uppercase()).collect();
        let row = |value: Value| columns.iter().map(|column| cell(&value[*column])).collect();
        say(&table(std::iter::once(head).chain(values.map(row)).collect()))
    }

    /// One of many that come one by one.
    pub(super) fn next(&self, name: &str, message: &impl Message, columns: &[&str]) -> Result<(), AdminError> {
        let value = value(name, message);
        if self.json {
            return say(&value.to_string());
        }
        let cells = columns.iter().map(|column| cell(&value[*column])).filter(|cell| !cell.is_empty());
        say(&cells.collect::<Vec<_>>().join("  "))
    }
}

/// As the mapping of protobuf to JSON has it, with the names and the numbers of the .proto file.
fn value(name: &str, message: &impl Message) -> Value {
    let descriptor = DESCRIPTORS.get_message_by_name(&format!("podling.admin.v1.{name}"));
    let descriptor = descriptor.expect("it names a message of the service");
    let mut dynamic = DynamicMessage::new(descriptor);
    dynamic.transcode_from(message).expect("both are the same message");
    let options = SerializeOptions::new().use_proto_field_name(true).stringify_64_bit_integers(false);
    dynamic
        .serialize_with_options(serde_json::value::Serializer, &options)
        .expect("it has no map with other keys than text")
}

/// Names are ours to trust, commands are not: no control character reaches the terminal.
fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_CELL).collect()
}

fn table(rows: Vec<Vec<String>>) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<_> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}", width = *width));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn say(text: &str) -> Result<(), AdminError> {
    let mut out = std::io::stdout().lock();
    let written = writeln!(out, "{text}").and_then(|()| out.flush());
    written.map_err(|error| AdminError::Here(format!("nobody reads standard output: {error}")))
}

#[cfg(test)]
mod tests {
    use podling_proto::admin::{Gateway, Session};

    use super::*;

    #[test]
    fn an_answer_is_told_in_the_words_of_the_proto_file() {
        let at = prost_types::Timestamp { seconds: 0, nanos: 0 };
        let session = Session { uid: "u".into(), log_end_offset: 7, created_at: Some(at), ..Session::default() };
        let value = value("Session", &session);
        assert_eq!((value["uid"].as_str(), value["log_end_offset"].as_u64()), (Some("u"), Some(7)));
        assert_eq!(value["created_at"], "1970-01-01T00:00:00Z");
        assert_eq!(value["started_at"], Value::Null);
    }

    #[test]
    fn nothing_that_draws_reaches_the_terminal() {
        let gateway = Gateway { address: "\x1b[2J".repeat(50), ..Gateway::default() };
        let cell = cell(&value("Gateway", &gateway)["address"]);
        assert!(cell.len() == MAX_CELL && !cell.contains('\x1b'), "{cell:?}");
        assert_eq!(table(vec![vec!["A".into(), "B".into()], vec!["long".into(), String::new()]]), "A     B\nlong");
    }
}
