//! Frames of the WebSocket subprotocol `podling.v1`: one binary message each, the first byte is the type.
//!
//! Numbers are big-endian. Receivers ignore types that they do not know. The reference for clients is
//! docs/protocol.md; a test there walks the same bytes.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::{attendance::LeaseWish, size::WindowSize};

pub const SUBPROTOCOL: &str = "podling.v1";

/// Set on frames at or below the head offset at attach: effects such as bell, clipboard and title are suppressed.
pub const FLAG_REPLAY: u8 = 1;

/// The first byte of each frame. Below 0x20 from the server, from 0x20 on from the client.
pub mod kind {
    pub const OUTPUT: u8 = 0x01;
    pub const SNAPSHOT: u8 = 0x02;
    pub const SKIPPED: u8 = 0x03;
    pub const STAGE: u8 = 0x04;
    pub const RESIZED: u8 = 0x05;
    pub const VIEWERS: u8 = 0x06;
    pub const LEASE: u8 = 0x07;
    pub const RESUME: u8 = 0x08;
    pub const EXIT: u8 = 0x09;
    pub const ERROR: u8 = 0x0a;
    pub const MARK: u8 = 0x0b;
    pub const INPUT_TAKEN: u8 = 0x0c;
    pub const FETCHED: u8 = 0x0d;
    pub const INPUT: u8 = 0x20;
    pub const ACK: u8 = 0x21;
    pub const RESIZE: u8 = 0x22;
    pub const RESUME_ACK: u8 = 0x23;
    pub const FOCUS: u8 = 0x24;
    pub const LEASE_ASK: u8 = 0x25;
    pub const FETCH: u8 = 0x26;
}

/// What a server sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerFrame {
    /// `flags:u8 offset:u64 bytes…`; `offset` is that of the first byte.
    Output { offset: u64, replay: bool, bytes: Bytes },
    /// `flags:u8 offset:u64 rows:u16 cols:u16 bytes…`: the whole screen at `offset`, as escape sequences that bring a
    /// terminal of this size from any state to this one and leave its scrollback alone. Output goes on from there.
    Snapshot { offset: u64, replay: bool, size: WindowSize, bytes: Bytes },
    /// `from:u64 to:u64`: output in between is not sent; a snapshot at `to` follows. It can be fetched.
    Skipped { from: u64, to: u64 },
    /// `json…`: `{"stage","elapsed_millis"}`. Stages are those of the session; `running` ends them.
    Stage { json: String },
    /// `rows:u16 cols:u16`: the window size from here on.
    Resized(WindowSize),
    /// `count:u32`: how many viewers are attached.
    Viewers(u32),
    /// `json…`: `{"you","holder","people":[{"number","name","owner","read_only","asks"}]}`: who is attached, and who alone
    /// may type.
    Lease { json: String },
    /// `generation:u32 token…`: always the first frame. The client answers with `ResumeAck` at once.
    Resume { generation: u32, token: String },
    /// `json…`: `{"reason","exit_code","detail"}`. The last frame; close 1000 follows.
    Exit { json: String },
    /// `json…`: problem+json. A close follows.
    Error { json: String },
    /// `text…`: one sentence that stands in the log beside the output, such as of a gap.
    Mark { text: String },
    /// `total:u64`: how many bytes of this stream's input the program has taken. Refills the client's credit.
    InputTaken { total: u64 },
    /// `offset:u64 bytes…`: output that was asked for. The last piece of an answer is empty, and its offset is where
    /// the next question goes on.
    Fetched { offset: u64, bytes: Bytes },
}

impl ServerFrame {
    pub fn encode(&self) -> Bytes {
        match self {
            ServerFrame::Output { offset, replay, bytes } => {
                [&output_head(*offset, *replay)[..], bytes].concat().into()
            }
            ServerFrame::Snapshot { offset, replay, size, bytes } => {
                let mut buffer = BytesMut::with_capacity(14 + bytes.len());
                buffer.put_u8(kind::SNAPSHOT);
                buffer.put_u8(if *replay { FLAG_REPLAY } else { 0 });
                buffer.put_u64(*offset);
                buffer.put_u16(size.rows());
                buffer.put_u16(size.cols());
                buffer.put_slice(bytes);
                buffer.freeze()
            }
            ServerFrame::Skipped { from, to } => numbers(kind::SKIPPED, &[*from, *to]),
            ServerFrame::Stage { json } => text(kind::STAGE, json),
            ServerFrame::Resized(size) => sized(kind::RESIZED, *size),
            ServerFrame::Viewers(count) => {
                let mut buffer = BytesMut::with_capacity(5);
                buffer.put_u8(kind::VIEWERS);
                buffer.put_u32(*count);
                buffer.freeze()
            }
            ServerFrame::Lease { json } => text(kind::LEASE, json),
            ServerFrame::Resume { generation, token } => {
                let mut buffer = BytesMut::with_capacity(5 + token.len());
                buffer.put_u8(kind::RESUME);
                buffer.put_u32(*generation);
                buffer.put_slice(token.as_bytes());
                buffer.freeze()
            }
            ServerFrame::Exit { json } => text(kind::EXIT, json),
            ServerFrame::Error { json } => text(kind::ERROR, json),
            ServerFrame::Mark { text: mark } => text(kind::MARK, mark),
            ServerFrame::InputTaken { total } => numbers(kind::INPUT_TAKEN, &[*total]),
            ServerFrame::Fetched { offset, bytes } => {
                let mut buffer = BytesMut::with_capacity(9 + bytes.len());
                buffer.put_u8(kind::FETCHED);
                buffer.put_u64(*offset);
                buffer.put_slice(bytes);
                buffer.freeze()
            }
        }
    }

    /// `Ok(None)` for a type this end does not know.
    pub fn decode(mut bytes: Bytes) -> Result<Option<ServerFrame>, Truncated> {
        let kind = take_u8(&mut bytes)?;
        Ok(Some(match kind {
            kind::OUTPUT => {
                let flags = take_u8(&mut bytes)?;
                ServerFrame::Output { replay: flags & FLAG_REPLAY != 0, offset: take_u64(&mut bytes)?, bytes }
            }
            kind::SNAPSHOT => {
                let flags = take_u8(&mut bytes)?;
                let offset = take_u64(&mut bytes)?;
                let size = take_size(&mut bytes)?.ok_or(Truncated)?;
                ServerFrame::Snapshot { replay: flags & FLAG_REPLAY != 0, offset, size, bytes }
            }
            kind::SKIPPED => ServerFrame::Skipped { from: take_u64(&mut bytes)?, to: take_u64(&mut bytes)? },
            kind::STAGE => ServerFrame::Stage { json: take_text(&bytes)? },
            kind::RESIZED => ServerFrame::Resized(take_size(&mut bytes)?.ok_or(Truncated)?),
            kind::VIEWERS => ServerFrame::Viewers(take_u32(&mut bytes)?),
            kind::LEASE => ServerFrame::Lease { json: take_text(&bytes)? },
            kind::RESUME => ServerFrame::Resume { generation: take_u32(&mut bytes)?, token: take_text(&bytes)? },
            kind::EXIT => ServerFrame::Exit { json: take_text(&bytes)? },
            kind::ERROR => ServerFrame::Error { json: take_text(&bytes)? },
            kind::MARK => ServerFrame::Mark { text: take_text(&bytes)? },
            kind::INPUT_TAKEN => ServerFrame::InputTaken { total: take_u64(&mut bytes)? },
            kind::FETCHED => ServerFrame::Fetched { offset: take_u64(&mut bytes)?, bytes },
            _ => return Ok(None),
        }))
    }
}

/// What stands before the bytes of an output frame.
pub fn output_head(offset: u64, replay: bool) -> [u8; 10] {
    let mut head = [kind::OUTPUT, if replay { FLAG_REPLAY } else { 0 }, 0, 0, 0, 0, 0, 0, 0, 0];
    head[2..].copy_from_slice(&offset.to_be_bytes());
    head
}

/// What a client sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientFrame {
    /// `bytes…`, as typed.
    Input(Bytes),
    /// `offset:u64`: everything below was drawn or stored. Refills the credit.
    Ack { offset: u64 },
    /// `rows:u16 cols:u16`.
    Resize(WindowSize),
    /// `generation:u32`.
    ResumeAck { generation: u32 },
    /// No payload: the window became visible or was clicked.
    Focus,
    /// `from:u64 to:u64`: asks for output that was skipped. At most 1 MiB of it is answered, as `Fetched`.
    Fetch { from: u64, to: u64 },
    /// `verb:u8 number:u32`: asks (0) for the input lease, gives it up (1), grants (2) or refuses (3) it to the viewer with
    /// this number, takes it back (4).
    LeaseAsk(LeaseWish),
}

/// How much a client may have typed beyond what the program has taken.
pub const INPUT_WINDOW_BYTES: u64 = 256 << 10;

impl ClientFrame {
    pub fn encode(&self) -> Bytes {
        let mut buffer = BytesMut::new();
        match self {
            ClientFrame::Input(bytes) => {
                buffer.put_u8(kind::INPUT);
                buffer.put_slice(bytes);
            }
            ClientFrame::Ack { offset } => {
                buffer.put_u8(kind::ACK);
                buffer.put_u64(*offset);
            }
            ClientFrame::Resize(size) => return sized(kind::RESIZE, *size),
            ClientFrame::ResumeAck { generation } => {
                buffer.put_u8(kind::RESUME_ACK);
                buffer.put_u32(*generation);
            }
            ClientFrame::Focus => buffer.put_u8(kind::FOCUS),
            ClientFrame::Fetch { from, to } => return numbers(kind::FETCH, &[*from, *to]),
            ClientFrame::LeaseAsk(wish) => {
                let (verb, number) = match wish {
                    LeaseWish::Ask => (0, 0),
                    LeaseWish::GiveUp => (1, 0),
                    LeaseWish::Grant(number) => (2, *number),
                    LeaseWish::Refuse(number) => (3, *number),
                    LeaseWish::TakeBack => (4, 0),
                };
                buffer.put_u8(kind::LEASE_ASK);
                buffer.put_u8(verb);
                buffer.put_u32(number);
            }
        }
        buffer.freeze()
    }

    /// `Ok(None)` for a type this end does not know, and for a window size out of range, which is ignored.
    pub fn decode(mut bytes: Bytes) -> Result<Option<ClientFrame>, Truncated> {
        let kind = take_u8(&mut bytes)?;
        Ok(match kind {
            kind::INPUT => Some(ClientFrame::Input(bytes)),
            kind::ACK => Some(ClientFrame::Ack { offset: take_u64(&mut bytes)? }),
            kind::RESIZE => take_size(&mut bytes)?.map(ClientFrame::Resize),
            kind::RESUME_ACK => Some(ClientFrame::ResumeAck { generation: take_u32(&mut bytes)? }),
            kind::FOCUS => Some(ClientFrame::Focus),
            kind::FETCH => Some(ClientFrame::Fetch { from: take_u64(&mut bytes)?, to: take_u64(&mut bytes)? }),
            kind::LEASE_ASK => match (take_u8(&mut bytes)?, take_u32(&mut bytes)?) {
                (0, _) => Some(ClientFrame::LeaseAsk(LeaseWish::Ask)),
                (1, _) => Some(ClientFrame::LeaseAsk(LeaseWish::GiveUp)),
                (2, number) => Some(ClientFrame::LeaseAsk(LeaseWish::Grant(number))),
                (3, number) => Some(ClientFrame::LeaseAsk(LeaseWish::Refuse(number))),
                (4, _) => Some(ClientFrame::LeaseAsk(LeaseWish::TakeBack)),
                _ => None,
            },
            _ => None,
        })
    }
}

/// A frame that ends before its fields do, or text that is not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("frame is truncated or malformed")]
pub struct Truncated;

fn text(kind: u8, text: &str) -> Bytes {
    let mut buffer = BytesMut::with_capacity(1 + text.len());
    buffer.put_u8(kind);
    buffer.put_slice(text.as_bytes());
    buffer.freeze()
}

fn numbers(kind: u8, numbers: &[u64]) -> Bytes {
    let mut buffer = BytesMut::with_capacity(1 + 8 * numbers.len());
    buffer.put_u8(kind);
    numbers.iter().for_each(|number| buffer.put_u64(*number));
    buffer.freeze()
}

fn sized(kind: u8, size: WindowSize) -> Bytes {
    let mut buffer = BytesMut::with_capacity(5);
    buffer.put_u8(kind);
    buffer.put_u16(size.rows());
    buffer.put_u16(size.cols());
    buffer.freeze()
}

fn take_u8(bytes: &mut Bytes) -> Result<u8, Truncated> {
    bytes.try_get_u8().map_err(|_| Truncated)
}

fn take_u32(bytes: &mut Bytes) -> Result<u32, Truncated> {
    bytes.try_get_u32().map_err(|_| Truncated)
}

fn take_u64(bytes: &mut Bytes) -> Result<u64, Truncated> {
    bytes.try_get_u64().map_err(|_| Truncated)
}

fn take_text(bytes: &Bytes) -> Result<String, Truncated> {
    String::from_utf8(bytes.to_vec()).map_err(|_| Truncated)
}

fn take_size(bytes: &mut Bytes) -> Result<Option<WindowSize>, Truncated> {
    let rows = bytes.try_get_u16().map_err(|_| Truncated)?;
    let cols = bytes.try_get_u16().map_err(|_| Truncated)?;
    Ok(WindowSize::new(rows.into(), cols.into()).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn frames_round_trip() {
        let size = WindowSize::new(40, 120).expect("a fair size");
        for frame in [
            ServerFrame::Output { offset: u64::MAX, replay: true, bytes: Bytes::from_static(b"\x1b[31mhi") },
            ServerFrame::Stage { json: "{}".into() },
            ServerFrame::Resized(size),
            ServerFrame::Viewers(7),
            ServerFrame::Lease { json: "{}".into() },
            ServerFrame::Resume { generation: 9, token: "a.b".into() },
            ServerFrame::Exit { json: r#"{"exit_code":0}"#.into() },
            ServerFrame::Error { json: "{}".into() },
            ServerFrame::Mark { text: "a gap".into() },
            ServerFrame::Snapshot { offset: 1 << 33, replay: false, size, bytes: Bytes::from_static(b"\x18\x1b[H") },
            ServerFrame::Skipped { from: 7, to: u64::MAX },
            ServerFrame::InputTaken { total: 1 << 34 },
            ServerFrame::Fetched { offset: 9, bytes: Bytes::from_static(b"x") },
        ] {
            assert_eq!(ServerFrame::decode(frame.encode()), Ok(Some(frame)));
        }
        for frame in [
            ClientFrame::Input(Bytes::from_static(b"ls\r")),
            ClientFrame::Ack { offset: 1 << 40 },
            ClientFrame::Resize(size),
            ClientFrame::ResumeAck { generation: 2 },
            ClientFrame::Focus,
            ClientFrame::Fetch { from: 1, to: 1 << 40 },
            ClientFrame::LeaseAsk(LeaseWish::Ask),
            ClientFrame::LeaseAsk(LeaseWish::GiveUp),
            ClientFrame::LeaseAsk(LeaseWish::Grant(7)),
            ClientFrame::LeaseAsk(LeaseWish::Refuse(1 << 20)),
            ClientFrame::LeaseAsk(LeaseWish::TakeBack),
        ] {
            assert_eq!(ClientFrame::decode(frame.encode()), Ok(Some(frame)));
        }
    }

    #[test]
    fn unknown_types_are_ignored() {
        assert_eq!(ClientFrame::decode(Bytes::from_static(&[0x7f, 1, 2])), Ok(None));
        assert_eq!(ServerFrame::decode(Bytes::from_static(&[0x1f])), Ok(None));
        assert_eq!(ClientFrame::decode(Bytes::from_static(&[kind::RESIZE, 0, 1, 0, 1])), Ok(None));
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let bytes = Bytes::from(bytes);
            let _ = (ClientFrame::decode(bytes.clone()), ServerFrame::decode(bytes));
        }
    }
}
