//! Terminal logs as a local runner writes them.

use bytes::{Bytes, BytesMut};
use podling_session::{
    id::Incarnation,
    log::{Body, Header, Record, SegmentHash, hash, segment_file},
    session::Session,
    store::{SegmentRow, SystemStore},
};

use super::world::{World, millis_since_epoch};

/// Writes segments one after the other, each chained to the one before.
pub(crate) struct Writer<'a> {
    world: &'a World,
    session: Session,
    sequence: u64,
    offset: u64,
    previous: SegmentHash,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(world: &'a World, session: &Session) -> Writer<'a> {
        let directory = world.core.logs.directory(&session.owner.tenant, session.life()).expect("a local store");
        std::fs::create_dir_all(directory).expect("created");
        Writer { world, session: session.clone(), sequence: 0, offset: 0, previous: [0; 32] }
    }

    fn life(&self) -> Incarnation {
        self.session.life()
    }

    /// Writes a segment that nobody was told of.
    pub(crate) fn write(&mut self, bodies: Vec<Body>) -> SegmentRow {
        let first_offset = self.offset;
        let header = Header { sequence: self.sequence, first_offset, previous: self.previous };
        let mut bytes = BytesMut::from(&header.encode()[..]);
        for body in bodies {
            let record = Record { offset: self.offset, time_millis: millis_since_epoch(), body };
            record.encode(&mut bytes);
            self.offset = record.end();
        }
        let sequence = self.sequence;
        std::fs::write(file(self.world, &self.session, sequence), &bytes).expect("written");
        self.previous = hash(&bytes);
        self.sequence += 1;
        let bytes = bytes.len() as u64;
        SegmentRow { sequence, first_offset, end_offset: self.offset, bytes, hash: self.previous }
    }

    /// Writes a segment and reports it.
    pub(crate) async fn seal(&mut self, bodies: Vec<Body>) -> SegmentRow {
        let row = self.write(bodies);
        self.world.store.add_segment(self.life(), row, 0).await.expect("the store answers");
        row
    }
}

pub(crate) fn file(world: &World, session: &Session, sequence: u64) -> std::path::PathBuf {
    let directory = world.core.logs.directory(&session.owner.tenant, session.life()).expect("a local store");
    directory.join(segment_file(sequence))
}

pub(crate) fn output(text: impl Into<Bytes>) -> Body {
    Body::Output(text.into())
}
