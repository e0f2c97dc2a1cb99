//! Conversions between wire types and domain types.

use podling_session::{
    attendance::{LeaseWish, Person},
    phase::End,
    size::{OutOfRange, WindowSize},
    source::Source,
    spec::{Limits, Spec},
    token::Scope,
};

use crate::{control, terminal};

/// A message that breaks its own .proto's rules.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the message has a bad {0}")]
pub struct Malformed(pub &'static str);

impl From<Malformed> for tonic::Status {
    fn from(error: Malformed) -> tonic::Status {
        tonic::Status::invalid_argument(error.to_string())
    }
}

impl From<WindowSize> for terminal::WindowSize {
    fn from(size: WindowSize) -> terminal::WindowSize {
        terminal::WindowSize { rows: size.rows().into(), cols: size.cols().into() }
    }
}

impl TryFrom<terminal::WindowSize> for WindowSize {
    type Error = OutOfRange;

    fn try_from(raw: terminal::WindowSize) -> Result<WindowSize, OutOfRange> {
        WindowSize::new(raw.rows, raw.cols)
    }
}

impl From<LeaseWish> for terminal::LeaseWish {
    fn from(wish: LeaseWish) -> terminal::LeaseWish {
        use terminal::lease_wish::Verb;
        let (verb, number) = match wish {
            LeaseWish::Ask => (Verb::Ask, 0),
            LeaseWish::GiveUp => (Verb::GiveUp, 0),
            LeaseWish::Grant(number) => (Verb::Grant, number),
            LeaseWish::Refuse(number) => (Verb::Refuse, number),
            LeaseWish::TakeBack => (Verb::TakeBack, 0),
        };
        terminal::LeaseWish { verb: verb.into(), number }
    }
}

impl TryFrom<terminal::LeaseWish> for LeaseWish {
    type Error = Malformed;

    fn try_from(raw: terminal::LeaseWish) -> Result<LeaseWish, Malformed> {
        use terminal::lease_wish::Verb;
        match raw.verb() {
            Verb::Ask => Ok(LeaseWish::Ask),
            Verb::GiveUp => Ok(LeaseWish::GiveUp),
            Verb::Grant => Ok(LeaseWish::Grant(raw.number)),
            Verb::Refuse => Ok(LeaseWish::Refuse(raw.number)),
            Verb::TakeBack => Ok(LeaseWish::TakeBack),
            Verb::Unspecified => Err(Malformed("lease verb")),
        }
    }
}

impl From<&Person> for terminal::Person {
    fn from(person: &Person) -> terminal::Person {
        terminal::Person {
            number: person.number,
            name: person.who.name.as_deref().unwrap_or_default().to_owned(),
            owner: person.who.is_owner(),
            read_only: person.scope == Scope::ReadOnly,
            asks: person.asks,
        }
    }
}

impl From<End> for terminal::Exit {
    fn from(end: End) -> terminal::Exit {
        terminal::Exit { reason: end.reason.to_string(), exit_code: end.exit_code, detail: end.detail }
    }
}

impl TryFrom<terminal::Exit> for End {
    type Error = Malformed;

    fn try_from(raw: terminal::Exit) -> Result<End, Malformed> {
        let reason = raw.reason.parse().map_err(|_| Malformed("end reason"))?;
        Ok(End { reason, exit_code: raw.exit_code, detail: raw.detail })
    }
}

impl From<Spec> for control::Spec {
    fn from(spec: Spec) -> control::Spec {
        control::Spec {
            command: spec.command,
            source: spec.source.map(control::Source::from),
            install_cmd: spec.install_cmd,
            prompt: spec.prompt,
            env: spec.env.into_iter().collect(),
            limits: Some(spec.limits.into()),
            exit_on_job: spec.exit_on_job,
            log_bytes: spec.log_bytes,
            egress: spec.egress,
        }
    }
}

impl From<Limits> for control::Limits {
    fn from(limits: Limits) -> control::Limits {
        let Limits { cpu_millis, memory_bytes, disk_bytes, pids } = limits;
        control::Limits { cpu_millis, memory_bytes, disk_bytes, pids }
    }
}

impl From<control::Limits> for Limits {
    fn from(raw: control::Limits) -> Limits {
        let control::Limits { cpu_millis, memory_bytes, disk_bytes, pids } = raw;
        Limits { cpu_millis, memory_bytes, disk_bytes, pids }
    }
}

impl From<Source> for control::Source {
    fn from(source: Source) -> control::Source {
        let sha256 = match &source {
            Source::Archive { checksum, .. } => checksum.as_ref().map(|sum| sum.as_str().to_owned()),
            Source::GitHubTree(_) | Source::Repository { .. } | Source::Bundle(_) => None,
        };
        control::Source { url: source.to_string(), sha256 }
    }
}
