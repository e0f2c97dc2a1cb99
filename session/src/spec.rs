//! What a caller asks for when it creates a session, checked once, at the edge.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::source::{Checksum, Source};

/// A field of a request that breaks a rule. The message names the field and the limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct InvalidField {
    pub field: String,
    pub message: String,
}

impl InvalidField {
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> InvalidField {
        InvalidField { field: field.into(), message: message.into() }
    }
}

/// The longest `code_url`, in characters.
pub const MAX_CODE_URL: usize = 2048;
/// The longest `command` and `install_cmd`, in characters.
pub const MAX_COMMAND: usize = 1000;
/// The longest `prompt`, in characters.
pub const MAX_PROMPT: usize = 10_000;
/// The most variables in `env`, and in `secrets`.
pub const MAX_VARIABLES: usize = 100;
/// The longest value of one variable, in bytes. The kernel takes 128 KiB.
pub const MAX_VARIABLE_BYTES: usize = 32 * 1024;
/// All names and values of `env` together, and of `secrets`, in bytes.
pub const MAX_VARIABLES_BYTES: usize = 256 * 1024;
/// The most labels.
pub const MAX_LABELS: usize = 32;
/// The longest key and the longest value of a label, in bytes.
pub const MAX_LABEL_BYTES: usize = 63;

/// What one session may use of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Thousandths of a processor, 100 to 64 000.
    pub cpu_millis: u32,
    /// 16 MiB to 64 GiB.
    pub memory_bytes: u64,
    /// What the command may write below its work folder, its home and its `/tmp`; 1 MiB to 256 GiB.
    pub disk_bytes: u64,
    /// Processes and threads, 16 to 32 768.
    pub pids: u32,
}

impl Limits {
    /// The least that a session may ask for.
    pub const LEAST: Limits = Limits { cpu_millis: 100, memory_bytes: 16 << 20, disk_bytes: 1 << 20, pids: 16 };
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { cpu_millis: 1_000, memory_bytes: 1 << 30, disk_bytes: 2 << 30, pids: 512 }
    }
}

/// The ranges that a deployment admits and the defaults that it fills in.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    pub default_limits: Limits,
    pub max_limits: Limits,
    pub start_deadline: Duration,
    pub default_deadline: Duration,
    pub max_deadline: Duration,
    pub default_idle: Duration,
    pub max_idle: Duration,
    /// The most bytes of terminal output that are kept of one session.
    pub log_bytes: u64,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            default_limits: Limits::default(),
            max_limits: Limits { cpu_millis: 64_000, memory_bytes: 64 << 30, disk_bytes: 256 << 30, pids: 32_768 },
            start_deadline: Duration::from_secs(300),
            default_deadline: Duration::from_secs(3_600),
            max_deadline: Duration::from_secs(24 * 3_600),
            default_idle: Duration::from_secs(1_800),
            max_idle: Duration::from_secs(24 * 3_600),
            log_bytes: 1 << 30,
        }
    }
}

/// A request as it came: any text in any field.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    pub command: Option<String>,
    pub code_url: Option<String>,
    pub code_checksum_sha256: Option<String>,
    pub install_cmd: Option<String>,
    pub prompt: Option<String>,
    pub env: BTreeMap<String, String>,
    pub secrets: BTreeMap<String, String>,
    pub labels: BTreeMap<String, String>,
    pub deadline_seconds: Option<u64>,
    pub idle_seconds: Option<u64>,
    pub cpu_millis: Option<u64>,
    pub memory_bytes: Option<u64>,
    pub disk_bytes: Option<u64>,
    pub pids: Option<u64>,
    pub exit_on_job: Option<bool>,
    pub egress: Option<bool>,
}

/// A request that keeps every rule. It holds no secrets: those are sealed beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// Run by `bash -lc`.
    pub command: String,
    pub source: Option<Source>,
    /// Replaces the detected installation of dependencies.
    pub install_cmd: Option<String>,
    /// Reaches the command as `CLAUDE_PROMPT`.
    pub prompt: Option<String>,
    pub env: BTreeMap<String, String>,
    pub labels: BTreeMap<String, String>,
    pub limits: Limits,
    pub start_deadline: Duration,
    /// Counted from Running.
    pub deadline: Duration,
    pub idle: Duration,
    /// Whether the end of the command ends the session.
    pub exit_on_job: bool,
    /// Whether commands reach the internet. Those of sessions from before there was a choice do not.
    #[serde(default)]
    pub egress: bool,
    pub log_bytes: u64,
}

/// Secrets of a session: they reach the command's environment and nothing else.
pub type Secrets = BTreeMap<String, String>;

impl Spec {
    /// Checks a draft against the rules and the deployment's policy.
    ///
    /// Whether the host of `code_url` may be reached is no rule of a specification: the controller checks what the URL
    /// shows at once (`code_hosts`), and the runner what the name resolves to.
    pub fn check(draft: Draft, policy: &Policy) -> Result<(Spec, Secrets), InvalidField> {
        let source = source(draft.code_url.as_deref(), draft.code_checksum_sha256.as_deref())?;
        let command = text("command", draft.command, MAX_COMMAND)?;
        let command = match (command, &source) {
            (Some(command), _) => command,
            (None, Some(_)) => return Err(InvalidField::new("command", "command is required with code_url")),
            (None, None) => {
                return Err(InvalidField::new("command", "one of command, code_url or language is required"));
            }
        };
        let env = variables("env", draft.env)?;
        let secrets = variables("secrets", draft.secrets)?;
        if let Some(name) = secrets.keys().find(|name| env.contains_key(*name)) {
            return Err(InvalidField::new(format!("secrets.{name}"), format!("{name} is in env and in secrets")));
        }
        let limits = limits(&draft.cpu_millis, &draft.memory_bytes, &draft.disk_bytes, &draft.pids, policy)?;
        let spec = Spec {
            command,
            source,
            install_cmd: text("install_cmd", draft.install_cmd, MAX_COMMAND)?,
            prompt: text("prompt", draft.prompt, MAX_PROMPT)?,
            env,
            labels: labels(draft.labels)?,
            limits,
            start_deadline: policy.start_deadline,
            deadline: seconds(
                "deadline_seconds",
                draft.deadline_seconds,
                policy.default_deadline,
                policy.max_deadline,
            )?,
            idle: seconds("idle_seconds", draft.idle_seconds, policy.default_idle, policy.max_idle)?,
            exit_on_job: draft.exit_on_job.unwrap_or(true),
            egress: draft.egress.unwrap_or(true),
            log_bytes: policy.log_bytes,
        };
        Ok((spec, secrets))
    }
}

/// Other spans for a session that is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extension {
    pub deadline_seconds: Option<u64>,
    pub idle_seconds: Option<u64>,
}

/// Spans that keep the rules; none stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spans {
    /// Counted from Running.
    pub deadline: Option<Duration>,
    pub idle: Option<Duration>,
}

impl Extension {
    /// # Errors
    /// When nothing is asked for, or more than there may be.
    pub fn check(self, policy: &Policy) -> Result<Spans, InvalidField> {
        let Extension { deadline_seconds, idle_seconds } = self;
        if deadline_seconds.is_none() && idle_seconds.is_none() {
            return Err(InvalidField::new("deadline_seconds", "deadline_seconds or idle_seconds is required"));
        }
        let span =
            |field: &str, value: Option<u64>, max: Duration| value.map(|_| seconds(field, value, max, max)).transpose();
        Ok(Spans {
            deadline: span("deadline_seconds", deadline_seconds, policy.max_deadline)?,
            idle: span("idle_seconds", idle_seconds, policy.max_idle)?,
        })
    }
}

fn source(url: Option<&str>, checksum: Option<&str>) -> Result<Option<Source>, InvalidField> {
    let checksum = checksum.filter(|sum| !sum.is_empty()).map(Checksum::parse).transpose()?;
    let Some(text) = url else {
        return match checksum {
            Some(_) => Err(InvalidField::new("code_checksum_sha256", "code_checksum_sha256 needs a code_url")),
            None => Ok(None),
        };
    };
    if text.chars().count() > MAX_CODE_URL {
        let rule = format!("code_url exceeds maximum length of {MAX_CODE_URL} characters");
        return Err(InvalidField::new("code_url", rule));
    }
    Source::parse(text, checksum).map(Some)
}

/// Text that becomes an argument or a variable of a process: bounded, and without the NUL that would cut it.
fn text(field: &str, value: Option<String>, max: usize) -> Result<Option<String>, InvalidField> {
    let Some(value) = value.filter(|value| !value.is_empty()) else { return Ok(None) };
    if value.chars().count() > max {
        return Err(InvalidField::new(field, format!("{field} exceeds maximum length of {max} characters")));
    }
    if value.contains('\0') {
        return Err(InvalidField::new(field, format!("{field} must not contain a NUL character")));
    }
    Ok(Some(value))
}

fn variables(field: &str, map: BTreeMap<String, String>) -> Result<BTreeMap<String, String>, InvalidField> {
    if map.len() > MAX_VARIABLES {
        return Err(InvalidField::new(field, format!("{field} has more than {MAX_VARIABLES} entries")));
    }
    let mut total = 0;
    for (name, value) in &map {
        total += name.len() + value.len();
        let refuse = |rule: String| Err(InvalidField::new(format!("{field}.{name}"), rule));
        if !is_variable_name(name) {
            return refuse(format!("{field} has a name that is not [A-Za-z_][A-Za-z0-9_]{{0,127}}"));
        }
        if name.starts_with("PODLING_") {
            return refuse(format!("{field}.{name}: names that begin with PODLING_ are reserved"));
        }
        if value.len() > MAX_VARIABLE_BYTES {
            return refuse(format!("{field}.{name} exceeds maximum length of {MAX_VARIABLE_BYTES} bytes"));
        }
        if value.contains('\0') {
            return refuse(format!("{field}.{name} must not contain a NUL character"));
        }
    }
    if total > MAX_VARIABLES_BYTES {
        return Err(InvalidField::new(field, format!("{field} exceeds {MAX_VARIABLES_BYTES} bytes in all")));
    }
    Ok(map)
}

fn is_variable_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    let first = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    first && name.len() <= 128 && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn labels(map: BTreeMap<String, String>) -> Result<BTreeMap<String, String>, InvalidField> {
    if map.len() > MAX_LABELS {
        return Err(InvalidField::new("labels", format!("labels has more than {MAX_LABELS} entries")));
    }
    for (key, value) in &map {
        let sound = |text: &str| {
            text.len() <= MAX_LABEL_BYTES
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'/'))
        };
        if key.is_empty() || !sound(key) || !sound(value) {
            let rule = format!("labels take [A-Za-z0-9._/-], at most {MAX_LABEL_BYTES} bytes for key and value each");
            return Err(InvalidField::new(format!("labels.{key}"), rule));
        }
    }
    Ok(map)
}

fn limits(
    cpu: &Option<u64>,
    memory: &Option<u64>,
    disk: &Option<u64>,
    pids: &Option<u64>,
    policy: &Policy,
) -> Result<Limits, InvalidField> {
    let (default, least, max) = (policy.default_limits, Limits::LEAST, policy.max_limits);
    let cpu =
        within("limits.cpu_millis", *cpu, default.cpu_millis.into(), least.cpu_millis.into(), max.cpu_millis.into())?;
    let pids = within("limits.pids", *pids, default.pids.into(), least.pids.into(), max.pids.into())?;
    Ok(Limits {
        cpu_millis: u32::try_from(cpu).unwrap_or(max.cpu_millis),
        memory_bytes: within(
            "limits.memory_bytes",
            *memory,
            default.memory_bytes,
            least.memory_bytes,
            max.memory_bytes,
        )?,
        disk_bytes: within("limits.disk_bytes", *disk, default.disk_bytes, least.disk_bytes, max.disk_bytes)?,
        pids: u32::try_from(pids).unwrap_or(max.pids),
    })
}

fn seconds(field: &str, value: Option<u64>, default: Duration, max: Duration) -> Result<Duration, InvalidField> {
    within(field, value, default.as_secs(), 1, max.as_secs()).map(Duration::from_secs)
}

fn within(field: &str, value: Option<u64>, default: u64, min: u64, max: u64) -> Result<u64, InvalidField> {
    let value = value.unwrap_or(default.min(max));
    if (min..=max).contains(&value) {
        return Ok(value);
    }
    Err(InvalidField::new(field, format!("{field} must be from {min} to {max}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(change: impl FnOnce(&mut Draft)) -> Result<Spec, InvalidField> {
        let mut draft = Draft { command: Some("true".into()), ..Draft::default() };
        change(&mut draft);
        Spec::check(draft, &Policy::default()).map(|(spec, _)| spec)
    }

    #[test]
    fn a_refusal_names_the_field_and_the_limit() {
        let check = |change: fn(&mut Draft), field: &str, part: &str| {
            let error = draft(change).expect_err(field);
            assert_eq!(error.field, field);
            assert!(error.message.contains(part), "{} lacks {part}", error.message);
        };
        check(|d| d.command = None, "command", "required");
        check(|d| d.command = Some("x".repeat(1001)), "command", "1000");
        check(|d| d.install_cmd = Some("x".repeat(1001)), "install_cmd", "1000");
        check(|d| d.command = Some("a\0b".into()), "command", "NUL");
        check(|d| d.prompt = Some("x".repeat(10_001)), "prompt", "10000");
        check(|d| d.code_url = Some(format!("https://x.org/{}.tgz", "x".repeat(2048))), "code_url", "2048");
        check(|d| d.code_url = Some("ftp://x.org/a.tgz".into()), "code_url", "Only HTTP and HTTPS");
        check(|d| d.code_checksum_sha256 = Some("abc".into()), "code_checksum_sha256", "Invalid SHA-256");
        check(|d| _ = d.env.insert("1X".into(), String::new()), "env.1X", "A-Za-z_");
        check(|d| _ = d.env.insert("PODLING_X".into(), String::new()), "env.PODLING_X", "reserved");
        check(|d| _ = d.secrets.insert("X".into(), "x".repeat(40_000)), "secrets.X", "32768");
        check(|d| d.env.extend((0..101).map(|n| (format!("V{n}"), String::new()))), "env", "100");
        check(|d| d.labels.extend((0..33).map(|n| (format!("l{n}"), String::new()))), "labels", "32");
        check(|d| _ = d.labels.insert("a b".into(), "c".into()), "labels.a b", "63");
        check(|d| d.deadline_seconds = Some(0), "deadline_seconds", "from 1 to 86400");
        check(|d| d.memory_bytes = Some(1), "limits.memory_bytes", "from 16777216");
        check(|d| d.pids = Some(u64::MAX), "limits.pids", "to 32768");
    }

    #[test]
    fn another_span_is_within_the_maximum() {
        let check = |deadline_seconds, idle_seconds, expected: Result<(Option<u64>, Option<u64>), &str>| {
            let spans = Extension { deadline_seconds, idle_seconds }.check(&Policy::default());
            let spans = spans.map(|spans| (spans.deadline.map(|d| d.as_secs()), spans.idle.map(|d| d.as_secs())));
            assert_eq!(spans.map_err(|error| error.field), expected.map_err(str::to_owned));
        };
        check(Some(86_400), None, Ok((Some(86_400), None)));
        check(Some(1), Some(2), Ok((Some(1), Some(2))));
        check(None, None, Err("deadline_seconds"));
        check(Some(86_401), None, Err("deadline_seconds"));
        check(None, Some(0), Err("idle_seconds"));
    }

    #[test]
    fn defaults_are_filled_in() {
        let spec = draft(|d| d.code_checksum_sha256 = Some(String::new())).expect("a bare command is enough");
        assert_eq!(spec.limits, Limits::default());
        assert_eq!((spec.deadline.as_secs(), spec.idle.as_secs()), (3_600, 1_800));
        assert_eq!((Policy::default().start_deadline.as_secs(), spec.log_bytes), (300, 1 << 30));
        assert!(spec.exit_on_job && spec.egress && spec.source.is_none());
    }
}
