//! Terminal logs where they are stored: segments at `{tenant}/{uid}/{incarnation}/log/{sequence}`.

use std::{path::PathBuf, sync::Arc};

use object_store::ObjectStore;

/// Reads, settles and removes stored logs.
pub struct Logs {
    pub(crate) blobs: Arc<dyn ObjectStore>,
    /// Where `blobs` keeps its files when it is a directory of this machine, which local runners write to directly.
    pub(crate) root: Option<PathBuf>,
}
