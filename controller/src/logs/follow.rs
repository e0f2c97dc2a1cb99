//! The output of a session from an offset on, wherever it is served: from its runner while there is one, from the stored
//! log afterwards, across the change from one to the other.

use std::{io, time::Duration};

use bytes::Bytes;
use futures_util::stream::{self, Stream};
use podling_session::{
    capability::GrantKey,
    id::Uid,
    log::{Body, Record},
    session::Session,
    store::StoreError,
};
use tokio::time::Instant;
use tonic::Code;

use super::{
    LogError,
    pace::Pace,
    place::{self, At, Place},
    read::{Reader, Stored},
    runner::{Said, Watch},
};
use crate::core::Core;

/// How long a session may be between its runner and its stored log. Runners get less to end in.
pub(crate) const SETTLE_DEADLINE: Duration = Duration::from_secs(60);

/// How far to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// To the end of the log as it is when the stream begins.
    Head,
    /// To the end of the session, however long that takes.
    End,
}

#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("the session is gone")]
    Gone,
    #[error("output at offset {at} is no longer kept")]
    NotKept { at: u64 },
    #[error("the terminal log cannot be reached")]
    Unreachable,
}

impl From<StoreError> for FollowError {
    fn from(error: StoreError) -> FollowError {
        FollowError::Log(LogError::Store(error))
    }
}

impl From<FollowError> for io::Error {
    fn from(error: FollowError) -> io::Error {
        io::Error::other(error)
    }
}

/// The raw output of a session's incarnation, from an offset or the first that is kept. An error is the last item.
pub fn open(
    core: &Core,
    session: &Session,
    from: Option<u64>,
    until: Until,
) -> impl Stream<Item = io::Result<Bytes>> + Send + use<> {
    let follow = Follow { core: core.clone(), uid: session.uid, at: from, head: None, until, source: Source::Sought };
    stream::try_unfold(follow, |mut follow| async move {
        let chunk = follow.next().await?;
        Ok(chunk.map(|chunk| (chunk, follow)))
    })
}

struct Follow {
    core: Core,
    uid: Uid,
    /// The next offset; none before the first is known.
    at: Option<u64>,
    /// The end of the log when it was first found.
    head: Option<u64>,
    until: Until,
    source: Source,
}

enum Source {
    Sought,
    Runner(Watch),
    Stored(Reader),
    Exhausted,
}

impl Follow {
    async fn next(&mut self) -> Result<Option<Bytes>, FollowError> {
        loop {
            if self.until == Until::Head && self.head.is_some_and(|head| self.at >= Some(head)) {
                return Ok(None);
            }
            let (offset, data) = match &mut self.source {
                Source::Sought => {
                    self.source = self.seek().await?;
                    continue;
                }
                Source::Runner(watch) => match watch.next(self.at.unwrap_or_default()).await {
                    Said::Output { offset, data } => (offset, data),
                    Said::Ended => return Ok(None),
                    Said::Cut => {
                        self.source = Source::Sought;
                        continue;
                    }
                },
                Source::Stored(reader) => match reader.next().await? {
                    Some(record) => match output_from(self.at.unwrap_or_default(), record) {
                        Some(output) => output,
                        None => continue,
                    },
                    None => return Ok(None),
                },
                Source::Exhausted => return Ok(None),
            };
            self.at = Some(offset + data.len() as u64);
            return Ok(Some(data));
        }
    }

    /// Waits for a place that serves the log.
    async fn seek(&mut self) -> Result<Source, FollowError> {
        let core = self.core.clone();
        let mut pace = Pace::new(core.system.as_ref());
        let mut deadline = Instant::now() + SETTLE_DEADLINE;
        loop {
            let session = self.core.system.find(self.uid).await?.ok_or(FollowError::Gone)?;
            match place::find(&self.core, &session).await? {
                Place::Starting(_) if self.until == Until::Head => return Ok(Source::Exhausted),
                Place::Starting(_) => deadline = Instant::now() + SETTLE_DEADLINE,
                Place::Settling => {}
                Place::Runner(at) => {
                    if let Some(source) = self.watch(&at).await? {
                        return Ok(source);
                    }
                }
                Place::Stored => return self.stored(&session).await,
            }
            if Instant::now() >= deadline {
                return Err(FollowError::Unreachable);
            }
            pace.wait().await;
        }
    }

    /// `None` when the runner cannot be reached now.
    async fn watch(&mut self, at: &At) -> Result<Option<Source>, FollowError> {
        let key = self.grant_key().await?;
        match Watch::open(at, self.uid, &key, self.at).await {
            Ok(watch) => {
                self.at = Some(watch.from);
                self.head.get_or_insert(watch.head);
                Ok(Some(Source::Runner(watch)))
            }
            Err(status) if status.code() == Code::OutOfRange => {
                Err(FollowError::NotKept { at: self.at.unwrap_or_default() })
            }
            Err(_) => Ok(None),
        }
    }

    async fn stored(&mut self, session: &Session) -> Result<Source, FollowError> {
        let stored = Stored::find(&self.core.logs, self.core.system.as_ref(), session).await?;
        let at = self.at.unwrap_or(stored.first());
        if at < stored.first() {
            return Err(FollowError::NotKept { at });
        }
        self.at = Some(at);
        self.head.get_or_insert(stored.end());
        Ok(Source::Stored(stored.read(at)))
    }

    async fn grant_key(&self) -> Result<GrantKey, FollowError> {
        let sealed = self.core.system.sealed(self.uid).await?.ok_or(FollowError::Gone)?;
        let key = self.core.seal.open_key(self.uid, &sealed).map_err(|_| FollowError::Unreachable)?;
        Ok(key.grant_key())
    }
}

/// The part of a record's output that a reader has not got who has everything below an offset.
fn output_from(at: u64, record: Record) -> Option<(u64, Bytes)> {
    let Body::Output(mut data) = record.body else { return None };
    let held = usize::try_from(at.saturating_sub(record.offset)).unwrap_or(usize::MAX);
    if held >= data.len() {
        return None;
    }
    Some((record.offset + held as u64, data.split_off(held)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_read_once_from_the_offset_on() {
        let check = |at: u64, expected: Option<(u64, &'static [u8])>| {
            let body = Body::Output(Bytes::from_static(b"hello"));
            let output = output_from(at, Record { offset: 10, time_millis: 0, body });
            assert_eq!(output, expected.map(|(offset, data)| (offset, Bytes::from_static(data))), "at {at}");
        };
        check(0, Some((10, b"hello")));
        check(10, Some((10, b"hello")));
        check(13, Some((13, b"lo")));
        check(15, None);
        check(99, None);
    }
}
