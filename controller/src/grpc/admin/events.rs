//! The events of all sessions, from a cursor on.

use std::{collections::VecDeque, time::Duration};

use futures_util::stream::{self, BoxStream, StreamExt};
use podling_proto::admin::{self, WatchEventsRequest};
use podling_session::{event::Cursor, id::Uid, spec::InvalidField};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::{
    error::Error,
    view::{self, parsed},
};
use crate::{core::Core, drain};

/// Events of one look.
const AT_ONCE: u32 = 500;
/// Hints may be lost.
const POLL: Duration = Duration::from_secs(1);

type Events = BoxStream<'static, Result<admin::Event, Status>>;

struct Watch {
    core: Core,
    cursor: Cursor,
    only: Option<Uid>,
    follow: bool,
    told: VecDeque<admin::Event>,
}

/// Ends at `stop`, so that whoever follows comes back to another controller.
pub(super) fn watch(core: Core, stop: CancellationToken, request: WatchEventsRequest) -> Result<Events, InvalidField> {
    let cursor = view::cursor("after", &request.after)?;
    let only = parsed("uid", "a UUIDv7", &request.uid)?;
    let watch = Watch { core, cursor, only, follow: request.follow, told: VecDeque::new() };
    let events = stream::unfold(Some(watch), |watch| async move {
        let mut watch = watch?;
        match watch.next().await {
            Ok(event) => Some((Ok(event?), Some(watch))),
            Err(error) => Some((Err(error.into()), None)),
        }
    });
    Ok(drain::until(stop, events.boxed(), Err(drain::draining())))
}

impl Watch {
    async fn next(&mut self) -> Result<Option<admin::Event>, Error> {
        loop {
            if let Some(event) = self.told.pop_front() {
                return Ok(Some(event));
            }
            let core = self.core.clone();
            let changed = core.system.changed(); // Before the look: a change in between is not lost.
            let feed = core.system.feed(self.cursor, AT_ONCE).await?;
            let more = !feed.events.is_empty();
            self.cursor = feed.next;
            let events = feed.events.into_iter().filter(|event| self.only.is_none_or(|uid| event.uid == uid));
            self.told.extend(events.map(view::event));
            match (more, self.follow) {
                (true, _) => {}
                (false, false) => return Ok(None),
                (false, true) => tokio::select! {
                    () = changed => {}
                    () = sleep(POLL) => {}
                },
            }
        }
    }
}
