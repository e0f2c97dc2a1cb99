//! The events of a streamed answer of the Messages API, as far as they matter to one who reads along.
//! Kinds that are not known are none of our business, as the API's reference asks of its clients.

use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Event {
    ContentBlockStart {
        content_block: Block,
    },
    ContentBlockDelta {
        delta: Delta,
    },
    ContentBlockStop {},
    MessageStart {
        message: Message,
    },
    MessageDelta {
        delta: Stop,
    },
    MessageStop {},
    Error {
        error: Fault,
    },
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Block {
    Text {
        text: String,
    },
    ToolUse {
        name: String,
    },
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Delta {
    TextDelta {
        text: String,
    },
    #[serde(other)]
    Other,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Message {
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) content: Vec<Block>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Stop {
    pub(super) stop_reason: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Fault {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) message: String,
}

/// The body of an answer that is an error.
#[derive(Debug, Deserialize)]
pub(super) struct Failure {
    pub(super) error: Fault,
}

/// What an early end means to a reader.
pub(super) fn cut_short(stop: &Stop) -> Option<&'static str> {
    match stop.stop_reason.as_deref() {
        Some("max_tokens") => Some("The answer was cut at the most tokens that were asked for."),
        Some("model_context_window_exceeded") => Some("The answer was cut: the model's window is full."),
        Some("refusal") => Some("The model declined to go on."),
        _ => None,
    }
}
