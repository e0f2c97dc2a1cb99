//! The hidden subcommands by which a sandbox runs its own executable.

use std::ffi::{OsStr, OsString};

use super::{
    enter::{ENTER, enter},
    network::{NETWORK, answer},
};

/// Takes the step that `arguments`, of a whole process, ask for: the last one into a sandbox, or one in its network.
/// Every executable that runs sandboxes calls it first of all, and exits with the code that there is. The step into a
/// sandbox ends as the command and does not come back.
pub fn step(arguments: &[OsString]) -> Option<u8> {
    let step: fn(&OsStr) -> u8 = match arguments.get(1)?.to_str()? {
        ENTER => enter,
        NETWORK => answer,
        _ => return None,
    };
    Some(step(arguments.get(2).map(OsString::as_os_str).unwrap_or_default()))
}
