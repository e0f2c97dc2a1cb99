//! The event that tells an owner of output that storage refused: in the log itself it is a record.

use podling_session::{id::Uid, session::LogRange, store::StoreError};

use crate::core::Core;

const KIND: &str = "log.gap";

/// Writes the event; once, however often the gap is reported.
pub(crate) async fn note(core: &Core, uid: Uid, lost: LogRange) -> Result<(), StoreError> {
    let LogRange { first, end } = lost;
    let detail =
        format!("The output from offset {first} to {end} is lost: the storage of the terminal log refused it.");
    let told = core.system.events(uid, 0).await?;
    if told.iter().any(|event| event.kind == KIND && event.detail == detail) {
        return Ok(());
    }
    core.system.note(uid, KIND, &detail).await
}
