//! Claude Code: `claude --permission-mode plan -p PROMPT`, read line by line as it speaks.

use std::{
    ffi::{OsStr, OsString},
    io,
    pin::pin,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::Command,
    task::JoinSet,
    time::{Instant, timeout, timeout_at},
};

use crate::args::AuditArgs;

use super::{
    AuditError, Outlet, Piece,
    agent_line::{Line, System, parse},
    event::{Block, Delta, Event, Message, cut_short},
    group::Group,
    lines::Lines,
};

const NAME: &str = "claude";
const FORMAT: [&str; 3] = ["--output-format", "stream-json", "--verbose"];
/// Older ones do not know it, and say so before they do anything.
const PARTIAL: &str = "--include-partial-messages";
/// How long it may take to end once it has said its last.
const LAST_STEPS: Duration = Duration::from_secs(10);
/// Of what it writes to standard error, its end.
const COMPLAINT_BYTES: usize = 1024;
/// How long it is waited for what is left to read, once it is dead.
const REST_WAIT: Duration = Duration::from_millis(500);

/// Asks it.
///
/// # Errors
/// `NoAgent` when there is none; nothing was asked then.
pub(super) async fn ask(args: &AuditArgs, deadline: Instant, outlet: &Outlet) -> Result<(), AuditError> {
    let named = args.claude_bin.clone().filter(|name| !name.is_empty());
    let program = named.clone().unwrap_or_else(|| NAME.into());
    let asked = match attempt(args, &program, &[PARTIAL], deadline, outlet).await {
        Err(AuditError::NoPartialMessages { .. }) => attempt(args, &program, &[], deadline, outlet).await,
        asked => asked,
    };
    match asked {
        Err(AuditError::Start { program, source }) if source.kind() == io::ErrorKind::NotFound => {
            if named.is_some() {
                outlet.note(format!("CLAUDE_BIN: there is no program {program}")).await?;
            }
            Err(AuditError::NoAgent)
        }
        asked => asked,
    }
}

async fn attempt(
    args: &AuditArgs,
    program: &OsStr,
    more: &[&str],
    deadline: Instant,
    outlet: &Outlet,
) -> Result<(), AuditError> {
    let name = program.to_string_lossy().into_owned();
    let mut group = Group::start(&mut command(program, &args.prompt, more))
        .map_err(|source| AuditError::Start { program: name.clone(), source })?;
    let output = group.leader.stdout.take().expect("it is piped");
    let mut complaint = JoinSet::new();
    complaint.spawn(end_of(group.leader.stderr.take().expect("it is piped")));
    let mut listener = Listener { name, outlet, shown: None, has_spoken: false };
    let heard = tokio::select! {
        biased;
        () = outlet.0.closed() => Err(AuditError::Unwanted),
        heard = timeout_at(deadline, attend(&mut listener, output, args.silence, &mut group)) => {
            heard.unwrap_or(Err(AuditError::Deadline(args.deadline)))
        }
    };
    if let Err(error) = heard {
        group.end().await;
        return Err(error);
    }
    let name = listener.name;
    let status = match timeout(LAST_STEPS, group.wait()).await {
        Ok(status) => status.map_err(|source| AuditError::Read { program: name.clone(), source })?,
        Err(_) => return Err(AuditError::Silence { who: name, silence: LAST_STEPS }),
    };
    if status.success() {
        return Ok(());
    }
    let said = timeout(REST_WAIT, complaint.join_next()).await.ok().flatten();
    Err(failure(name, status, said.and_then(Result::ok).unwrap_or_default()))
}

/// Listens to its end. What it leaves behind when it ends may hold its output open for ever.
async fn attend(
    listener: &mut Listener<'_>,
    output: impl AsyncRead + Unpin,
    silence: Duration,
    group: &mut Group,
) -> Result<(), AuditError> {
    let name = listener.name.clone();
    let mut listening = pin!(listener.listen(output, silence));
    tokio::select! {
        biased;
        heard = &mut listening => return heard,
        ended = group.wait() => ended.map_err(|source| AuditError::Read { program: name, source })?,
    };
    timeout(REST_WAIT, listening).await.unwrap_or(Ok(()))
}

fn command(program: &OsStr, prompt: &str, more: &[&str]) -> Command {
    // A prompt that begins with a dash would be taken for an option.
    let dash = if prompt.starts_with('-') { " " } else { "" };
    let prompt = OsString::from(format!("{dash}{prompt}"));
    let mut command = Command::new(program);
    command.args(["--permission-mode", "plan", "-p"]).arg(prompt).args(FORMAT).args(more);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The last bytes of a stream, as text.
async fn end_of(mut stream: impl AsyncRead + Unpin) -> String {
    let mut end = Vec::new();
    while let Ok(1..) = stream.read_buf(&mut end).await {
        end.drain(..end.len().saturating_sub(COMPLAINT_BYTES));
    }
    String::from_utf8_lossy(&end).trim().to_owned()
}

fn failure(program: String, status: ExitStatus, said: String) -> AuditError {
    if said.contains("unknown option") && said.contains(PARTIAL) {
        return AuditError::NoPartialMessages { program };
    }
    AuditError::Exit { program, status: status.to_string().replace("exit status: ", "exit code "), said }
}

/// Hands on what it says.
struct Listener<'a> {
    name: String,
    outlet: &'a Outlet,
    /// The message whose text came as events.
    shown: Option<String>,
    has_spoken: bool,
}

impl Listener<'_> {
    /// Until its last line or the end of its output.
    async fn listen(&mut self, mut output: impl AsyncRead + Unpin, silence: Duration) -> Result<(), AuditError> {
        let mut lines = Lines::default();
        let mut buffer = vec![0; 64 << 10];
        loop {
            let read = timeout(silence, output.read(&mut buffer)).await;
            let read = read.map_err(|_| AuditError::Silence { who: self.name.clone(), silence })?;
            let read = read.map_err(|source| AuditError::Read { program: self.name.clone(), source })?;
            lines.push(&buffer[..read])?;
            while let Some(line) = lines.next() {
                if self.hear(&line).await? {
                    return Ok(());
                }
            }
            if read == 0 {
                return match lines.rest() {
                    Some(line) => self.hear(&line).await.map(|_| ()),
                    None => Ok(()),
                };
            }
        }
    }

    /// Whether this was the last line.
    async fn hear(&mut self, line: &str) -> Result<bool, AuditError> {
        match parse(line) {
            // What agents of its own say is between them.
            Some(Line::StreamEvent { event, parent_tool_use_id: None }) => self.follow(event).await?,
            Some(Line::Assistant { message, parent_tool_use_id: None }) => self.show(message).await?,
            Some(Line::System(System::ApiRetry { retry_delay_ms, error_status })) => {
                let why = error_status.map_or("no answer".to_owned(), |status| format!("answer {status}"));
                self.outlet.note(format!("{why}; trying again in {:.0} s", (retry_delay_ms / 1000.0).ceil())).await?;
            }
            Some(Line::Result { is_error: true, result, errors }) => {
                let said = if result.is_empty() { errors.join("; ") } else { result };
                return Err(AuditError::Said { program: self.name.clone(), said });
            }
            Some(Line::Result { result, .. }) => {
                if !self.has_spoken {
                    self.outlet.text(result).await?;
                }
                return Ok(true);
            }
            Some(_) => {}
            None => self.say(format!("{line}\n")).await?,
        }
        Ok(false)
    }

    async fn follow(&mut self, event: Event) -> Result<(), AuditError> {
        match event {
            Event::MessageStart { message } => self.shown = message.id,
            Event::ContentBlockDelta { delta: Delta::TextDelta { text } } => self.say(text).await?,
            Event::ContentBlockStart { content_block: Block::Text { text } } if !text.is_empty() => {
                self.say(text).await?
            }
            Event::ContentBlockStart { content_block: Block::ToolUse { name } } => self.outlet.note(name).await?,
            Event::ContentBlockStop {} => self.outlet.put(Piece::LineEnd).await?,
            Event::MessageDelta { delta } => {
                if let Some(why) = cut_short(&delta) {
                    self.outlet.note(why).await?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A whole message, unless its events were shown.
    async fn show(&mut self, message: Message) -> Result<(), AuditError> {
        if message.id.is_some() && message.id == self.shown {
            return Ok(());
        }
        for block in message.content {
            match block {
                Block::Text { text } => self.say(format!("{text}\n")).await?,
                Block::ToolUse { name } => self.outlet.note(name).await?,
                Block::Other => {}
            }
        }
        Ok(())
    }

    async fn say(&mut self, text: String) -> Result<(), AuditError> {
        self.has_spoken = true;
        self.outlet.text(text).await
    }
}
