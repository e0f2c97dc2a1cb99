//! Copies the output to where an operator collects it, such as a container's log. One more reader of the log: the command
//! never waits for it.

use std::{io, sync::Arc};

use podling_session::log::Body;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tracing::warn;

use super::{
    log::Log,
    reader::{Cursor, ReadError},
};

/// Copies until the log has ended; gives up when nobody takes the copy.
pub(crate) async fn run(log: Arc<Log>, mut copy: impl AsyncWrite + Unpin) {
    if let Err(error) = mirror(&log, &mut copy).await {
        warn!(%error, "the output is no longer copied");
    }
}

async fn mirror(log: &Log, copy: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
    let mut head = log.head();
    let mut cursor = first(log)?;
    loop {
        let now = *head.borrow_and_update();
        if cursor.is_behind(now) {
            cursor = read(log, cursor, copy).await?;
        } else if now.ended {
            return copy.flush().await;
        } else {
            copy.flush().await?;
            head.changed().await.map_err(io::Error::other)?;
        }
    }
}

async fn read(log: &Log, mut cursor: Cursor, copy: &mut (impl AsyncWrite + Unpin)) -> io::Result<Cursor> {
    let records = match log.read(&mut cursor).await {
        Ok(records) => records,
        Err(ReadError::FellOff(_)) => return first(log), // Too slow for what is kept: it goes on with that.
        Err(ReadError::Segment(error)) => return Err(error),
    };
    for record in records {
        if let Body::Output(bytes) = record.body {
            copy.write_all(&bytes).await?;
        }
    }
    Ok(cursor)
}

fn first(log: &Log) -> io::Result<Cursor> {
    log.seek(None).map(|start| start.cursor).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use podling_session::phase::End;
    use tokio::sync::watch;

    use super::*;

    #[tokio::test]
    async fn the_copy_is_every_byte_and_ends_with_the_log() {
        let log = Arc::new(Log::new("/nowhere".into(), u64::MAX, watch::Sender::default()));
        log.output(Bytes::from_static(b"\x1b[1mone\r\n")).await;
        log.mark("a word beside the output");
        log.output(Bytes::from_static(b"two")).await;
        log.end(End::exit(0));
        let mut copy = Vec::new();
        run(log, &mut copy).await;
        assert_eq!(copy, b"\x1b[1mone\r\ntwo");
    }

    #[tokio::test]
    async fn a_copy_that_nobody_takes_ends() {
        let log = Arc::new(Log::new("/nowhere".into(), u64::MAX, watch::Sender::default()));
        log.output(Bytes::from_static(b"one")).await;
        let (ours, theirs) = tokio::io::duplex(1);
        drop(theirs);
        run(log, ours).await;
    }
}
