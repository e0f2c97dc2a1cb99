//! The terminal log on disk and in blob storage: records in segments, each segment hashed and chained to the one before.
//!
//! ```text
//! segment = "PLGS" version:u8=1 0 0 0 sequence:u64 first_offset:u64 previous:[32] record*
//! record  = kind:u8 time_millis:u64 offset:u64 length:u32 payload
//! ```
//!
//! Numbers are big-endian. `offset` counts output bytes only; a record that is not output stands at the offset of the
//! output that follows it. `previous` is the SHA-256 of the whole segment before, zeros for the first.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    id::Incarnation,
    phase::{End, EndReason, Stage},
    principal::Tenant,
    size::WindowSize,
};

/// A segment is sealed before it grows past this.
pub const MAX_SEGMENT_BYTES: usize = 1 << 20;
/// Bytes of a segment before its first record.
pub const HEADER_BYTES: usize = 56;
/// Bytes of a record before its payload.
pub const RECORD_BYTES: usize = 21;

const MAGIC: &[u8; 8] = b"PLGS\x01\0\0\0";

/// The mark that stands where the command begins; viewers are told of it as the stage `running`.
pub const COMMAND_MARK: &str = "command";

/// SHA-256 of a segment.
pub type SegmentHash = [u8; 32];

pub fn hash(segment: &[u8]) -> SegmentHash {
    Sha256::digest(segment).into()
}

/// The file of a segment within its log's directory.
pub fn segment_file(sequence: u64) -> String {
    format!("{sequence:08}")
}

/// Where the segments of one incarnation are stored, below the root of the blobs: `{tenant}/{uid}/{incarnation}/log`.
pub fn log_path(tenant: &Tenant, life: Incarnation) -> String {
    format!("{}/{}/{}/log", tenant_path(tenant), life.uid, life.number)
}

/// The directory of a tenant's blobs, below their root. Bytes outside `[A-Za-z0-9._-]` are percent-encoded, so that it
/// is one name on every file system.
pub fn tenant_path(tenant: &Tenant) -> String {
    let mut path = String::new();
    for byte in tenant.as_str().bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-' => path.push(char::from(byte)),
            _ => path.push_str(&format!("%{byte:02X}")),
        }
    }
    path
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub offset: u64,
    /// Milliseconds since the epoch, in the runner's clock.
    pub time_millis: u64,
    pub body: Body,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    Output(Bytes),
    Resize(WindowSize),
    Stage(Stage),
    /// Something a viewer may want to see beside the output, such as the start of the command.
    Mark(String),
    /// Output from this record's offset up to `to` was lost, because storage refused it.
    Gap {
        to: u64,
    },
    /// The end of the command. The last record.
    Exit(End),
    /// The whole screen, so that a replay need not begin with the log.
    Keyframe(Keyframe),
}

/// The screen after the output below `at`. The emulator that draws it follows the log, so output from `at` on may stand
/// in records before this one: a replay begins with the keyframe and goes on with the output from `at`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyframe {
    pub at: u64,
    /// Lines that had scrolled off the top of the screen by then.
    pub lines: u64,
    pub size: WindowSize,
    /// Escape sequences that bring a terminal of this size from any state to this one.
    pub data: Bytes,
}

/// A keyframe larger than this is not kept: the one before it serves as well.
pub const MAX_KEYFRAME_BYTES: usize = 256 << 10;
/// Bytes of a keyframe's payload before its data.
const KEYFRAME_BYTES: usize = 20;

#[derive(Serialize, Deserialize)]
struct ExitWire {
    reason: String,
    exit_code: Option<i32>,
    detail: String,
}

/// The JSON of an end, as it stands in exit records and exit frames.
pub fn end_json(end: &End) -> String {
    let wire = ExitWire { reason: end.reason.to_string(), exit_code: end.exit_code, detail: end.detail.clone() };
    serde_json::to_string(&wire).expect("strings and numbers always serialize")
}

/// Reads what `end_json` wrote.
pub fn parse_end(json: &[u8]) -> Option<End> {
    let wire: ExitWire = serde_json::from_slice(json).ok()?;
    let reason: EndReason = wire.reason.parse().ok()?;
    Some(End { reason, exit_code: wire.exit_code, detail: wire.detail })
}

impl Record {
    /// Where the gap ends, if this record is one.
    pub fn gap_end(&self) -> Option<u64> {
        match self.body {
            Body::Gap { to } => Some(to),
            _ => None,
        }
    }

    /// The offset after this record.
    pub fn end(&self) -> u64 {
        match &self.body {
            Body::Output(bytes) => self.offset + bytes.len() as u64,
            Body::Gap { to } => *to,
            _ => self.offset,
        }
    }

    pub fn encode(&self, buffer: &mut BytesMut) {
        let small: Bytes;
        let (kind, payload) = match &self.body {
            Body::Output(bytes) => (1, bytes),
            Body::Resize(size) => {
                small = [size.rows().to_be_bytes(), size.cols().to_be_bytes()].concat().into();
                (2, &small)
            }
            Body::Stage(stage) => {
                small = stage.as_str().into();
                (3, &small)
            }
            Body::Mark(text) => {
                small = text.clone().into();
                (4, &small)
            }
            Body::Exit(end) => {
                small = end_json(end).into();
                (5, &small)
            }
            Body::Gap { to } => {
                small = to.to_be_bytes().to_vec().into();
                (6, &small)
            }
            Body::Keyframe(keyframe) => {
                small = keyframe.encode();
                (7, &small)
            }
        };
        buffer.put_u8(kind);
        buffer.put_u64(self.time_millis);
        buffer.put_u64(self.offset);
        buffer.put_u32(u32::try_from(payload.len()).expect("a record is smaller than a segment"));
        buffer.put_slice(payload);
    }

    /// Takes one record from the front. `None` when the bytes end before the record does, which leaves them as they
    /// were; `Some(None)` for a record of a kind this build does not know, which readers skip.
    pub fn decode(bytes: &mut Bytes) -> Option<Option<Record>> {
        if bytes.len() < RECORD_BYTES {
            return None;
        }
        let mut head = bytes.slice(..RECORD_BYTES);
        let (kind, time_millis, offset, length) =
            (head.get_u8(), head.get_u64(), head.get_u64(), head.get_u32() as usize);
        if bytes.len() < RECORD_BYTES + length {
            return None;
        }
        bytes.advance(RECORD_BYTES);
        let mut payload = bytes.split_to(length);
        let body = match kind {
            1 => Some(Body::Output(payload)),
            2 if length == 4 => {
                WindowSize::new(payload.get_u16().into(), payload.get_u16().into()).ok().map(Body::Resize)
            }
            3 => std::str::from_utf8(&payload).ok().and_then(|text| text.parse().ok()).map(Body::Stage),
            4 => String::from_utf8(payload.to_vec()).ok().map(Body::Mark),
            5 => parse_end(&payload).map(Body::Exit),
            6 if length == 8 => Some(Body::Gap { to: payload.get_u64() }),
            7 => Keyframe::decode(payload).map(Body::Keyframe),
            _ => None,
        };
        Some(body.map(|body| Record { offset, time_millis, body }))
    }
}

impl Keyframe {
    /// `at:u64 lines:u64 rows:u16 cols:u16 data`.
    fn encode(&self) -> Bytes {
        let mut buffer = BytesMut::with_capacity(KEYFRAME_BYTES + self.data.len());
        buffer.put_u64(self.at);
        buffer.put_u64(self.lines);
        buffer.put_u16(self.size.rows());
        buffer.put_u16(self.size.cols());
        buffer.put_slice(&self.data);
        buffer.freeze()
    }

    fn decode(mut payload: Bytes) -> Option<Keyframe> {
        if payload.len() < KEYFRAME_BYTES {
            return None;
        }
        let (at, lines) = (payload.get_u64(), payload.get_u64());
        let size = WindowSize::new(payload.get_u16().into(), payload.get_u16().into()).ok()?;
        Some(Keyframe { at, lines, size, data: payload })
    }
}

/// What stands before the records of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub sequence: u64,
    pub first_offset: u64,
    pub previous: SegmentHash,
}

impl Header {
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..16].copy_from_slice(&self.sequence.to_be_bytes());
        bytes[16..24].copy_from_slice(&self.first_offset.to_be_bytes());
        bytes[24..].copy_from_slice(&self.previous);
        bytes
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a segment of a terminal log")]
pub struct NotASegment;

/// A segment as it was read: whole, or as far as a writer that died had come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    pub header: Header,
    pub records: Vec<Record>,
    /// Bytes up to the end of the last whole record; a torn tail lies behind.
    pub whole_bytes: usize,
}

impl Segment {
    pub fn parse(bytes: Bytes) -> Result<Segment, NotASegment> {
        if bytes.len() < HEADER_BYTES || &bytes[..8] != MAGIC {
            return Err(NotASegment);
        }
        let mut head = bytes.slice(8..24);
        let mut previous = [0; 32];
        previous.copy_from_slice(&bytes[24..HEADER_BYTES]);
        let header = Header { sequence: head.get_u64(), first_offset: head.get_u64(), previous };
        let mut rest = bytes.slice(HEADER_BYTES..);
        let mut records = Vec::new();
        while let Some(record) = Record::decode(&mut rest) {
            records.extend(record);
        }
        Ok(Segment { header, records, whole_bytes: bytes.len() - rest.len() })
    }

    /// The offset after the last record.
    pub fn end(&self) -> u64 {
        self.records.last().map_or(self.header.first_offset, Record::end)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn records() -> Vec<Record> {
        let bodies = [
            Body::Stage(Stage::Fetching),
            Body::Output(Bytes::from_static(b"hello\r\n")),
            Body::Resize(WindowSize::DEFAULT),
            Body::Mark(COMMAND_MARK.into()),
            Body::Gap { to: 20 },
            Body::Keyframe(Keyframe {
                at: 7,
                lines: 1,
                size: WindowSize::DEFAULT,
                data: Bytes::from_static(b"\x18\x1b[H"),
            }),
            Body::Exit(End::exit(3)),
        ];
        let mut offset = 0;
        let mut records = Vec::new();
        for body in bodies {
            let record = Record { offset, time_millis: 5, body };
            offset = record.end();
            records.push(record);
        }
        records
    }

    fn segment() -> BytesMut {
        let header = Header { sequence: 1, first_offset: 0, previous: [7; 32] };
        let mut bytes = BytesMut::from(&header.encode()[..]);
        records().iter().for_each(|record| record.encode(&mut bytes));
        bytes
    }

    #[test]
    fn a_tenant_is_one_name_in_the_path_of_its_logs() {
        let life = Incarnation { uid: crate::id::Uid::new(), number: 2 };
        let check = |tenant: &str, name: &str| {
            let path = log_path(&tenant.parse().expect("a tenant"), life);
            assert_eq!(path, format!("{name}/{}/2/log", life.uid));
        };
        check("local:user:owner", "local%3Auser%3Aowner");
        check("a:claim:../b\\%ä", "a%3Aclaim%3A..%2Fb%5C%25%C3%A4");
    }

    #[test]
    fn a_segment_round_trips() {
        let bytes = segment().freeze();
        let parsed = Segment::parse(bytes.clone()).expect("a segment");
        assert_eq!((parsed.records.clone(), parsed.whole_bytes), (records(), bytes.len()));
        assert_eq!((parsed.header.previous, parsed.end()), ([7; 32], 20));
    }

    proptest! {
        #[test]
        fn a_torn_tail_costs_only_the_record_it_is_in(cut in HEADER_BYTES..400usize) {
            let mut bytes = segment();
            bytes.truncate(cut);
            let parsed = Segment::parse(bytes.clone().freeze()).expect("the header is whole");
            prop_assert!(parsed.whole_bytes <= bytes.len());
            prop_assert_eq!(&parsed.records[..], &records()[..parsed.records.len()]);
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut segment = MAGIC.to_vec();
            segment.extend(bytes);
            let _ = Segment::parse(segment.into());
        }
    }
}
