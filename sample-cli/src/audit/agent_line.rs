//! What Claude Code says with `--output-format stream-json`: a JSON object a line.

use serde::Deserialize;

use super::event::{Event, Message};

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Line {
    /// With `--include-partial-messages`: the model's stream as it comes.
    StreamEvent {
        event: Event,
        parent_tool_use_id: Option<String>,
    },
    /// A whole message, after its events where those were asked for.
    Assistant {
        message: Message,
        parent_tool_use_id: Option<String>,
    },
    System(System),
    /// The last line.
    Result {
        #[serde(default)]
        is_error: bool,
        #[serde(default)]
        result: String,
        #[serde(default)]
        errors: Vec<String>,
    },
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "subtype", rename_all = "snake_case")]
pub(super) enum System {
    /// It was put off, and tries again by itself.
    ApiRetry { retry_delay_ms: f64, error_status: Option<u16> },
    #[serde(other)]
    Other,
}

/// A line of the protocol; none for what a plain program prints.
pub(super) fn parse(line: &str) -> Option<Line> {
    serde_json::from_str(line).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::event::{Block, Delta};

    #[test]
    fn known_lines_are_read_unknown_ones_skipped_and_others_are_no_lines() {
        let text = r#"{"type":"stream_event","event":{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"hi"}},"parent_tool_use_id":null}"#;
        let Some(Line::StreamEvent {
            event: Event::ContentBlockDelta { delta: Delta::TextDelta { text } },
            parent_tool_use_id: None,
        }) = parse(text)
        else {
            panic!("text")
        };
        assert_eq!(text, "hi");
        let whole = r#"{"type":"assistant","message":{"id":"m","content":[{"type":"thinking","thinking":"…"},{"type":"text","text":"hi"}]}}"#;
        let Some(Line::Assistant { message, .. }) = parse(whole) else { panic!("a message") };
        assert!(matches!(&message.content[..], [Block::Other, Block::Text { .. }]), "{message:?}");
        let failed = r#"{"duration_ms":1,"is_error":true,"result":"no","type":"result"}"#;
        assert!(matches!(parse(failed), Some(Line::Result { is_error: true, .. })));
        let retry = r#"{"type":"system","subtype":"api_retry","attempt":1,"retry_delay_ms":512.5,"error_status":529}"#;
        assert!(matches!(parse(retry), Some(Line::System(System::ApiRetry { error_status: Some(529), .. }))));
        for other in [r#"{"type":"system","subtype":"init"}"#, r#"{"type":"rate_limit_event"}"#] {
            assert!(matches!(parse(other), Some(Line::System(System::Other) | Line::Other)), "{other}");
        }
        for none in ["", "hi", "{", r#"{"type":7}"#, "[]"] {
            assert!(parse(none).is_none(), "{none}");
        }
    }
}
