//! What the runner is to serve, as the controller assigned it: the one edge where it is converted.

use std::collections::BTreeMap;

use podling_proto::{control, convert::Malformed};
use podling_session::{
    capability::GrantKey,
    id::Incarnation,
    spec::{Limits, Source},
};

#[derive(Clone)]
pub(crate) struct Assignment {
    pub(crate) life: Incarnation,
    pub(crate) grants: GrantKey,
    pub(crate) command: String,
    pub(crate) source: Option<Source>,
    pub(crate) install: Option<String>,
    pub(crate) prompt: Option<String>,
    /// The user's variables, secrets included.
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) limits: Limits,
    pub(crate) exit_on_job: bool,
    pub(crate) log_bytes: u64,
}

impl TryFrom<control::Assign> for Assignment {
    type Error = Malformed;

    fn try_from(raw: control::Assign) -> Result<Assignment, Malformed> {
        let control::Assign { uid, incarnation, spec, secrets, grant_key, now_micros: _ } = raw;
        let spec = spec.ok_or(Malformed("spec"))?;
        let key: [u8; 32] = grant_key[..].try_into().map_err(|_| Malformed("grant key"))?;
        Ok(Assignment {
            life: Incarnation { uid: uid.parse().map_err(|_| Malformed("uid"))?, number: incarnation },
            grants: GrantKey::from_bytes(key),
            command: spec.command,
            source: spec.source.map(Source::try_from).transpose()?,
            install: spec.install_cmd,
            prompt: spec.prompt,
            env: spec.env.into_iter().chain(secrets).collect(),
            limits: spec.limits.ok_or(Malformed("limits"))?.into(),
            exit_on_job: spec.exit_on_job,
            log_bytes: spec.log_bytes,
        })
    }
}
