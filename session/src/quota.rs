//! What an owner and its tenant may use: the deployment's defaults, and what operators chose otherwise for one tenant or
//! one owner.

use std::{num::NonZeroU32, time::Duration};

use async_trait::async_trait;

use crate::{
    limit::Rate,
    principal::{Owner, Tenant},
    spec::{InvalidField, Limits, Policy},
    store::StoreError,
};

/// The longest `max_deadline` and `max_idle`.
pub const LONGEST: Duration = Duration::from_secs(365 * 24 * 3_600);

/// What holds for one owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Sessions that the owner may hold at once.
    pub sessions: u32,
    /// Sessions that all owners of the tenant may hold together.
    pub tenant_sessions: u32,
    pub creates_per_minute: NonZeroU32,
    /// Viewers that one session may have at once.
    pub viewers: u32,
    /// Logs of ended sessions that are kept of the owner; with more, it creates nothing.
    pub stored_bytes: u64,
    /// The same of all owners of the tenant together.
    pub tenant_stored_bytes: u64,
    pub max_deadline: Duration,
    pub max_idle: Duration,
    pub max_limits: Limits,
}

/// What is otherwise for a tenant, or for an owner: each field where it is given. An owner's comes before its tenant's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuotaOverride {
    pub sessions: Option<u32>,
    /// Of a tenant only.
    pub tenant_sessions: Option<u32>,
    pub creates_per_minute: Option<u32>,
    pub viewers: Option<u32>,
    pub stored_bytes: Option<u64>,
    /// Of a tenant only.
    pub tenant_stored_bytes: Option<u64>,
    pub max_deadline: Option<Duration>,
    pub max_idle: Option<Duration>,
    pub max_cpu_millis: Option<u32>,
    pub max_memory_bytes: Option<u64>,
    pub max_disk_bytes: Option<u64>,
    pub max_pids: Option<u32>,
}

/// Whose quota.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum QuotaOf {
    /// Each owner of the tenant, where nothing is said of the owner, and all of them together.
    Tenant(Tenant),
    Owner(Owner),
}

/// What is said of an owner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    pub tenant: QuotaOverride,
    pub owner: QuotaOverride,
}

#[async_trait]
pub trait QuotaStore: Send + Sync {
    /// What is said of the owner and of its tenant; nothing where nothing was set.
    async fn overrides(&self, owner: &Owner) -> Result<Overrides, StoreError>;

    /// What is said of one of them.
    async fn quota(&self, of: &QuotaOf) -> Result<QuotaOverride, StoreError>;

    /// Says it in place of what was said before.
    async fn set_quota(&self, of: &QuotaOf, to: &QuotaOverride) -> Result<(), StoreError>;
}

impl Quota {
    /// With what is said otherwise.
    pub fn with(&self, by: &QuotaOverride) -> Quota {
        let limits = self.max_limits;
        Quota {
            sessions: by.sessions.unwrap_or(self.sessions),
            tenant_sessions: by.tenant_sessions.unwrap_or(self.tenant_sessions),
            creates_per_minute: by.creates_per_minute.and_then(NonZeroU32::new).unwrap_or(self.creates_per_minute),
            viewers: by.viewers.unwrap_or(self.viewers),
            stored_bytes: by.stored_bytes.unwrap_or(self.stored_bytes),
            tenant_stored_bytes: by.tenant_stored_bytes.unwrap_or(self.tenant_stored_bytes),
            max_deadline: by.max_deadline.unwrap_or(self.max_deadline),
            max_idle: by.max_idle.unwrap_or(self.max_idle),
            max_limits: Limits {
                cpu_millis: by.max_cpu_millis.unwrap_or(limits.cpu_millis),
                memory_bytes: by.max_memory_bytes.unwrap_or(limits.memory_bytes),
                disk_bytes: by.max_disk_bytes.unwrap_or(limits.disk_bytes),
                pids: by.max_pids.unwrap_or(limits.pids),
            },
        }
    }

    pub fn create_rate(&self) -> Rate {
        Rate { burst: self.creates_per_minute, period: Duration::from_secs(60) }
    }

    /// The deployment's policy with these maxima.
    pub fn policy(&self, deployment: &Policy) -> Policy {
        let Quota { max_deadline, max_idle, max_limits, .. } = *self;
        Policy { max_deadline, max_idle, max_limits, ..*deployment }
    }
}

impl QuotaOverride {
    /// # Errors
    /// Names the first field that is out of range.
    pub fn check(&self, of: &QuotaOf) -> Result<(), InvalidField> {
        let refuse = |field: &str, rule: &str| Err(InvalidField::new(field, format!("{field} {rule}")));
        if matches!(of, QuotaOf::Owner(_)) && self.tenant_sessions.is_some() {
            return refuse("tenant_sessions", "is said of a tenant, not of an owner");
        }
        if matches!(of, QuotaOf::Owner(_)) && self.tenant_stored_bytes.is_some() {
            return refuse("tenant_stored_bytes", "is said of a tenant, not of an owner");
        }
        if self.creates_per_minute == Some(0) {
            return refuse("creates_per_minute", "must be 1 or more");
        }
        for (field, span) in [("max_deadline", self.max_deadline), ("max_idle", self.max_idle)] {
            if span.is_some_and(|span| !(Duration::from_secs(1)..=LONGEST).contains(&span)) {
                return refuse(field, "must be from 1 second to 365 days");
            }
        }
        for (field, value, least) in [
            ("max_cpu_millis", self.max_cpu_millis.map(u64::from), Limits::LEAST.cpu_millis.into()),
            ("max_memory_bytes", self.max_memory_bytes, Limits::LEAST.memory_bytes),
            ("max_disk_bytes", self.max_disk_bytes, Limits::LEAST.disk_bytes),
            ("max_pids", self.max_pids.map(u64::from), Limits::LEAST.pids.into()),
        ] {
            if value.is_some_and(|value| value < least) {
                return refuse(field, &format!("must be {least} or more"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::principal::Principal;

    fn defaults() -> Quota {
        Quota {
            sessions: 50,
            tenant_sessions: 200,
            creates_per_minute: NonZeroU32::new(5).expect("not zero"),
            viewers: 100,
            stored_bytes: 1 << 30,
            tenant_stored_bytes: 1 << 40,
            max_deadline: Duration::from_secs(60),
            max_idle: Duration::from_secs(30),
            max_limits: Limits::default(),
        }
    }

    #[test]
    fn what_is_said_of_an_owner_comes_before_its_tenants_and_the_rest_stays() {
        let tenant = QuotaOverride { sessions: Some(7), viewers: Some(3), ..QuotaOverride::default() };
        let owner = QuotaOverride { sessions: Some(0), max_pids: Some(99), ..QuotaOverride::default() };
        let quota = defaults().with(&tenant).with(&owner);
        let expected =
            Quota { sessions: 0, viewers: 3, max_limits: Limits { pids: 99, ..Limits::default() }, ..defaults() };
        assert_eq!(quota, expected);
        assert_eq!(quota.policy(&Policy::default()).max_deadline, Duration::from_secs(60));
    }

    #[test]
    fn a_refusal_names_the_field() {
        let owner = QuotaOf::Owner(Principal::local_owner().owner);
        let tenant = QuotaOf::Tenant(Principal::local_owner().owner.tenant);
        let check = |of: &QuotaOf, change: fn(&mut QuotaOverride), field: Option<&str>| {
            let mut by = QuotaOverride::default();
            change(&mut by);
            assert_eq!(by.check(of).err().map(|error| error.field).as_deref(), field, "{by:?}");
        };
        check(&owner, |_| {}, None);
        check(&tenant, |by| by.tenant_sessions = Some(1), None);
        check(&owner, |by| by.tenant_sessions = Some(1), Some("tenant_sessions"));
        check(&owner, |by| by.tenant_stored_bytes = Some(1), Some("tenant_stored_bytes"));
        check(&owner, |by| by.creates_per_minute = Some(0), Some("creates_per_minute"));
        check(&owner, |by| by.max_deadline = Some(Duration::ZERO), Some("max_deadline"));
        check(&owner, |by| by.max_idle = Some(LONGEST * 2), Some("max_idle"));
        check(&owner, |by| by.max_memory_bytes = Some(1), Some("max_memory_bytes"));
        check(&owner, |by| by.max_pids = Some(15), Some("max_pids"));
    }
}
