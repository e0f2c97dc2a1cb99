//! What the runner is to serve, as the controller assigned it: the one edge where it is converted.

use std::{
    collections::BTreeMap,
    path::{Component, PathBuf},
};

use podling_proto::{control, convert::Malformed};
use podling_session::{capability::GrantKey, id::Incarnation, spec::Limits};

#[derive(Clone)]
pub(crate) struct Assignment {
    pub(crate) life: Incarnation,
    pub(crate) grants: GrantKey,
    pub(crate) command: String,
    /// As it came; what is wrong with it is told where the log is.
    pub(crate) source: Option<control::Source>,
    pub(crate) install: Option<String>,
    pub(crate) prompt: Option<String>,
    /// The user's variables.
    pub(crate) env: BTreeMap<String, String>,
    /// Variables of the command and of nothing that runs before it.
    pub(crate) secrets: BTreeMap<String, String>,
    pub(crate) limits: Limits,
    pub(crate) exit_on_job: bool,
    pub(crate) egress: bool,
    pub(crate) log_bytes: u64,
    /// Below the directory of blobs.
    pub(crate) log_path: PathBuf,
}

impl TryFrom<control::Assign> for Assignment {
    type Error = Malformed;

    fn try_from(raw: control::Assign) -> Result<Assignment, Malformed> {
        let control::Assign { uid, incarnation, spec, secrets, grant_key, now_micros: _, log_path } = raw;
        let spec = spec.ok_or(Malformed("spec"))?;
        let key: [u8; 32] = grant_key[..].try_into().map_err(|_| Malformed("grant key"))?;
        Ok(Assignment {
            life: Incarnation { uid: uid.parse().map_err(|_| Malformed("uid"))?, number: incarnation },
            grants: GrantKey::from_bytes(key),
            command: spec.command,
            source: spec.source,
            install: spec.install_cmd,
            prompt: spec.prompt,
            env: spec.env.into_iter().collect(),
            secrets: secrets.into_iter().collect(),
            limits: spec.limits.ok_or(Malformed("limits"))?.into(),
            exit_on_job: spec.exit_on_job,
            egress: spec.egress,
            log_bytes: spec.log_bytes,
            log_path: below(log_path)?,
        })
    }
}

/// A path that leads down and nowhere else.
fn below(path: String) -> Result<PathBuf, Malformed> {
    let path = PathBuf::from(path);
    let leads_down = path.components().all(|part| matches!(part, Component::Normal(_)));
    if leads_down && path.components().next().is_some() { Ok(path) } else { Err(Malformed("log path")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_lies_below_the_blobs() {
        assert!(below("local%3Auser/uid/1/log".to_owned()).is_ok());
        for bad in ["", "/etc", "..", "a/../../b", "./a/.."] {
            assert!(below(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
