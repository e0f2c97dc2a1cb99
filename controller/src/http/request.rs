//! The body of a create: read field by field, so that every refusal names its field and what it must be.

use std::collections::BTreeMap;

use podling_session::{
    id::{InvalidId, SessionId},
    spec::{Draft, InvalidField},
};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// What asks for code runs, which have no server yet.
const CODE_RUN_FIELDS: [&str; 9] = [
    "language",
    "setup",
    "data",
    "persistent",
    "metadata",
    "allowInternetAccess",
    "allowPublicAccess",
    "default_timeout",
    "code",
];

/// A session to create. `command` is required; unknown fields are refused; null is the same as absent.
#[derive(Debug, Default, ToSchema)]
pub(super) struct CreateSession {
    /// Run by `bash -lc` in the folder of the source; at most 1000 characters.
    #[schema(required, value_type = String, min_length = 1, max_length = 1000)]
    pub(super) command: Option<String>,
    /// Where the code comes from, over http or https: an archive (`.zip`, `.tar.gz`, `.tgz`, `.tar.zst`), a tree on GitHub
    /// (`https://github.com/{owner}/{repo}/tree/{branch}/{folder}`) or a git repository; at most 2048 characters.
    #[schema(format = Uri, max_length = 2048)]
    pub(super) code_url: Option<String>,
    /// SHA-256 of an archive, 64 hexadecimal digits; without it the archive is not checked.
    #[schema(pattern = "^[0-9A-Fa-f]{64}$")]
    pub(super) code_checksum_sha256: Option<String>,
    /// Replaces the installation that is told from the source's files; at most 1000 characters. `true` installs nothing.
    #[schema(max_length = 1000)]
    pub(super) install_cmd: Option<String>,
    /// Reaches the command as CLAUDE_PROMPT; at most 10000 characters.
    #[schema(max_length = 10_000)]
    pub(super) prompt: Option<String>,
    /// Environment of the command; at most 100 variables and 256 KiB.
    #[schema(required = false)]
    pub(super) env: BTreeMap<String, String>,
    /// As `env`, but sealed at rest, never shown again, and erased when the session ends.
    #[schema(required = false, write_only)]
    pub(super) secrets: BTreeMap<String, String>,
    /// To find the session by; at most 32, keys and values of at most 63 bytes from [A-Za-z0-9._/-].
    #[schema(required = false)]
    pub(super) labels: BTreeMap<String, String>,
    /// Seconds that the command may run.
    pub(super) deadline_seconds: Option<u64>,
    /// Seconds without input and output after which the session ends.
    pub(super) idle_seconds: Option<u64>,
    #[schema(required = false)]
    pub(super) limits: WantedLimits,
    /// The caller's name for the session: [A-Za-z0-9_-]{1,64}, first and last alphanumeric. Its uid when not given.
    pub(super) id: Option<String>,
    /// The same as `id`.
    pub(super) session_id: Option<String>,
    /// Whether the end of the command ends the session; true when not given.
    pub(super) exit_on_job: Option<bool>,
    /// Whether installation and command reach the internet: IPv4 but for private, link-local and metadata addresses and
    /// those of the machine itself; true when not given.
    pub(super) egress: Option<bool>,
}

/// What one session may use of the machine; the deployment's defaults where not given.
#[derive(Debug, Default, ToSchema)]
pub(super) struct WantedLimits {
    /// Thousandths of a processor, from 100.
    pub(super) cpu_millis: Option<u64>,
    /// Bytes, from 16 MiB.
    pub(super) memory_bytes: Option<u64>,
    /// Bytes that the command may write, from 1 MiB.
    pub(super) disk_bytes: Option<u64>,
    /// Processes and threads, from 16.
    pub(super) pids: Option<u64>,
}

/// What of a session is to be another. One of the two is required; unknown fields are refused.
#[derive(Debug, Default, ToSchema)]
#[schema(min_properties = 1)]
pub(super) struct ExtendSession {
    /// Seconds that the command may run, counted from when it began, up to the caller's maximum.
    #[schema(minimum = 1, nullable = false)]
    pub(super) deadline_seconds: Option<u64>,
    /// Seconds without input and output after which the session ends, up to the caller's maximum.
    #[schema(minimum = 1, nullable = false)]
    pub(super) idle_seconds: Option<u64>,
}

impl ExtendSession {
    pub(super) fn parse(body: &[u8]) -> Result<ExtendSession, BadBody> {
        let Value::Object(map) = serde_json::from_slice(body)? else { return Err(BadBody::NotAnObject) };
        let mut fields = Fields { map, prefix: "" };
        let request = ExtendSession {
            deadline_seconds: fields.number("deadline_seconds")?,
            idle_seconds: fields.number("idle_seconds")?,
        };
        fields.end()?;
        Ok(request)
    }
}

/// Why a body is not a request.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadBody {
    #[error("malformed JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("the body must be a JSON object")]
    NotAnObject,
    #[error(transparent)]
    Field(#[from] InvalidField),
}

impl CreateSession {
    pub(super) fn parse(body: &[u8]) -> Result<CreateSession, BadBody> {
        let Value::Object(map) = serde_json::from_slice(body)? else { return Err(BadBody::NotAnObject) };
        let mut fields = Fields { map, prefix: "" };
        if let Some(name) = CODE_RUN_FIELDS.iter().find(|name| fields.map.contains_key(**name)) {
            return Err(InvalidField::new(*name, "code runs are not available yet").into());
        }
        let request = CreateSession {
            command: fields.text("command")?,
            code_url: fields.text("code_url")?,
            code_checksum_sha256: fields.text("code_checksum_sha256")?,
            install_cmd: fields.text("install_cmd")?,
            prompt: fields.text("prompt")?,
            env: fields.texts("env")?,
            secrets: fields.texts("secrets")?,
            labels: fields.texts("labels")?,
            deadline_seconds: fields.number("deadline_seconds")?,
            idle_seconds: fields.number("idle_seconds")?,
            limits: WantedLimits::parse(fields.object("limits")?)?,
            id: fields.text("id")?,
            session_id: fields.text("session_id")?,
            exit_on_job: fields.flag("exit_on_job")?,
            egress: fields.flag("egress")?,
        };
        fields.end()?;
        Ok(request)
    }

    /// The name that the caller chose, by either of its names.
    pub(super) fn chosen_id(&self) -> Result<Option<SessionId>, InvalidField> {
        let (field, text) = match (&self.id, &self.session_id) {
            (Some(id), Some(other)) if id != other => {
                return Err(InvalidField::new("session_id", "session_id must be the same as id"));
            }
            (Some(id), _) => ("id", id),
            (None, Some(id)) => ("session_id", id),
            (None, None) => return Ok(None),
        };
        let refused = |error: InvalidId| InvalidField::new(field, format!("{field} must be {}", error.rule));
        text.parse().map(Some).map_err(refused)
    }

    pub(super) fn into_draft(self) -> Draft {
        Draft {
            command: self.command,
            code_url: self.code_url,
            code_checksum_sha256: self.code_checksum_sha256,
            install_cmd: self.install_cmd,
            prompt: self.prompt,
            env: self.env,
            secrets: self.secrets,
            labels: self.labels,
            deadline_seconds: self.deadline_seconds,
            idle_seconds: self.idle_seconds,
            cpu_millis: self.limits.cpu_millis,
            memory_bytes: self.limits.memory_bytes,
            disk_bytes: self.limits.disk_bytes,
            pids: self.limits.pids,
            exit_on_job: self.exit_on_job,
            egress: self.egress,
        }
    }
}

impl WantedLimits {
    fn parse(map: Map<String, Value>) -> Result<WantedLimits, InvalidField> {
        let mut fields = Fields { map, prefix: "limits." };
        let limits = WantedLimits {
            cpu_millis: fields.number("cpu_millis")?,
            memory_bytes: fields.number("memory_bytes")?,
            disk_bytes: fields.number("disk_bytes")?,
            pids: fields.number("pids")?,
        };
        fields.end()?;
        Ok(limits)
    }
}

/// The fields of an object that nobody has read yet.
struct Fields {
    map: Map<String, Value>,
    /// What stands before a field's name in messages.
    prefix: &'static str,
}

impl Fields {
    fn text(&mut self, name: &str) -> Result<Option<String>, InvalidField> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => self.refuse(name, "a string"),
        }
    }

    fn number(&mut self, name: &str) -> Result<Option<u64>, InvalidField> {
        match self.take(name) {
            None => Ok(None),
            Some(value) => {
                value.as_u64().map_or_else(|| self.refuse(name, "a whole number, 0 or more"), |n| Ok(Some(n)))
            }
        }
    }

    fn flag(&mut self, name: &str) -> Result<Option<bool>, InvalidField> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(_) => self.refuse(name, "true or false"),
        }
    }

    fn object(&mut self, name: &str) -> Result<Map<String, Value>, InvalidField> {
        match self.take(name) {
            None => Ok(Map::new()),
            Some(Value::Object(map)) => Ok(map),
            Some(_) => self.refuse(name, "an object"),
        }
    }

    fn texts(&mut self, name: &str) -> Result<BTreeMap<String, String>, InvalidField> {
        let texts = self.object(name)?.into_iter().map(|(key, value)| match value {
            Value::String(text) => Ok((key, text)),
            _ => self.refuse(&format!("{name}.{key}"), "a string"),
        });
        texts.collect()
    }

    fn end(self) -> Result<(), InvalidField> {
        match self.map.keys().next() {
            None => Ok(()),
            Some(name) => {
                let name = format!("{}{name}", self.prefix);
                let message = format!("{name} is not a known field");
                Err(InvalidField::new(name, message))
            }
        }
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        self.map.remove(name).filter(|value| !value.is_null())
    }

    fn refuse<T>(&self, name: &str, rule: &str) -> Result<T, InvalidField> {
        let name = format!("{}{name}", self.prefix);
        let message = format!("{name} must be {rule}");
        Err(InvalidField::new(name, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_its_field_and_what_it_must_be() {
        let check = |body: &str, expected: &str| {
            let error = CreateSession::parse(body.as_bytes()).map(drop).expect_err(body);
            assert!(error.to_string().starts_with(expected), "{body}: {error}");
        };
        check("{", "malformed JSON: ");
        check("[]", "the body must be a JSON object");
        check("\"x\"", "the body must be a JSON object");
        check(r#"{"code_url":5}"#, "code_url must be a string");
        check(r#"{"command":["a"]}"#, "command must be a string");
        check(r#"{"env":"A=B"}"#, "env must be an object");
        check(r#"{"env":{"A":1}}"#, "env.A must be a string");
        check(r#"{"limits":7}"#, "limits must be an object");
        check(r#"{"limits":{"pids":"7"}}"#, "limits.pids must be a whole number");
        check(r#"{"limits":{"gpus":1}}"#, "limits.gpus is not a known field");
        check(r#"{"deadline_seconds":-1}"#, "deadline_seconds must be a whole number");
        check(r#"{"deadline_seconds":1.5}"#, "deadline_seconds must be a whole number");
        check(r#"{"exit_on_job":"yes"}"#, "exit_on_job must be true or false");
        check(r#"{"comand":"ls"}"#, "comand is not a known field");
        check(r#"{"language":"python"}"#, "code runs are not available yet");
        check(r#"{"command":"ls","persistent":true}"#, "code runs are not available yet");
    }

    #[test]
    fn null_is_absent() {
        let request = CreateSession::parse(br#"{"command":"ls","code_url":null,"env":null,"limits":{"pids":null}}"#);
        let request = request.expect("nulls are no values");
        assert_eq!((request.command.as_deref(), request.code_url, request.limits.pids), (Some("ls"), None, None));
    }

    #[test]
    fn an_id_has_two_names() {
        let check = |body: &str, expected: Result<Option<&str>, &str>| {
            let id = CreateSession::parse(body.as_bytes()).expect(body).chosen_id();
            let id = id.map(|id| id.map(|id| id.to_string())).map_err(|error| error.field);
            assert_eq!(id, expected.map(|id| id.map(str::to_owned)).map_err(str::to_owned), "{body}");
        };
        check("{}", Ok(None));
        check(r#"{"id":"a"}"#, Ok(Some("a")));
        check(r#"{"session_id":"a"}"#, Ok(Some("a")));
        check(r#"{"id":"a","session_id":"a"}"#, Ok(Some("a")));
        check(r#"{"id":"a","session_id":"b"}"#, Err("session_id"));
        check(r#"{"id":"-a"}"#, Err("id"));
        check(r#"{"session_id":"../a"}"#, Err("session_id"));
    }
}
