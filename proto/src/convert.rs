//! Conversions between wire types and domain types.

use podling_session::{
    phase::End,
    size::{OutOfRange, WindowSize},
    spec::{Checksum, Limits, Source, Spec},
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
        let source = spec.source.map(|source| control::Source {
            url: source.url.into(),
            sha256: source.checksum.map(|sum| sum.as_str().to_owned()),
        });
        control::Spec {
            command: spec.command,
            source,
            install_cmd: spec.install_cmd,
            prompt: spec.prompt,
            env: spec.env.into_iter().collect(),
            limits: Some(spec.limits.into()),
            exit_on_job: spec.exit_on_job,
            log_bytes: spec.log_bytes,
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

impl TryFrom<control::Source> for Source {
    type Error = Malformed;

    fn try_from(raw: control::Source) -> Result<Source, Malformed> {
        let checksum = raw.sha256.as_deref().map(Checksum::parse).transpose().map_err(|_| Malformed("sha256"))?;
        Ok(Source { url: raw.url.parse().map_err(|_| Malformed("source url"))?, checksum })
    }
}
