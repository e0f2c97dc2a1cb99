//! `podling ls` and `podling stop`.

use std::process::ExitCode;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use url::form_urlencoded::Serializer;

use super::{
    api::Api,
    args::{LsArgs, StopArgs},
    error::ClientError,
    run::{say, say_text},
};

/// Of a command, in the list.
const MAX_COMMAND: usize = 60;

/// All pages.
pub(super) async fn list(api: &Api, args: LsArgs) -> Result<ExitCode, ClientError> {
    let (mut sessions, mut cursor) = (Vec::new(), None);
    loop {
        let page = api.get(&format!("/api/sessions?{}", query(&args, cursor.as_deref()))).await?;
        sessions.extend(page["sessions"].as_array().cloned().unwrap_or_default());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => break,
        }
    }
    if args.server.json {
        say(&json!({ "count": sessions.len(), "sessions": sessions }))?;
    } else {
        say_text(&table(&sessions, Timestamp::now()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn query(args: &LsArgs, cursor: Option<&str>) -> String {
    let mut query = Serializer::new(String::new());
    let one = |name: &'static str, value: Option<&str>| value.map(|value| (name, value.to_owned()));
    query.extend_pairs(one("phase", args.phase.as_deref()));
    query.extend_pairs(args.label.iter().map(|label| ("label", label)));
    query.extend_pairs(one("cursor", cursor));
    query.finish()
}

fn table(sessions: &[Value], now: Timestamp) -> String {
    let head = ["ID", "PHASE", "AGE", "COMMAND"].map(str::to_owned);
    let rows: Vec<[String; 4]> =
        std::iter::once(head).chain(sessions.iter().map(|session| row(session, now))).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let (id, phase, age) = (width(0), width(1), width(2));
    let lines = rows.iter().map(|row| format!("{:id$}  {:phase$}  {:age$}  {}", row[0], row[1], row[2], row[3]));
    lines.map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

fn row(session: &Value, now: Timestamp) -> [String; 4] {
    let text = |name: &str| session[name].as_str().unwrap_or_default();
    let phase = match (text("end_reason"), session["exit_code"].as_i64()) {
        ("", _) => text("phase").to_owned(),
        ("exit", Some(code)) => format!("ended ({code})"),
        (reason, _) => format!("ended ({reason})"),
    };
    let created: Option<Timestamp> = text("created_at").parse().ok();
    let age = created.map(|created| age(now.duration_since(created))).unwrap_or_default();
    // Names are ours to trust, commands are not: no control character reaches the terminal.
    let command: String =
        text("command").chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_COMMAND).collect();
    [text("id").to_owned(), phase, age, command]
}

fn age(age: SignedDuration) -> String {
    match age.as_secs().max(0) {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds @ 60..3_600 => format!("{}m", seconds / 60),
        seconds @ 3_600..86_400 => format!("{}h", seconds / 3_600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

/// One after the other; the first that cannot be stopped ends it.
pub(super) async fn stop(api: &Api, args: StopArgs) -> Result<ExitCode, ClientError> {
    for id in &args.id {
        let session = api.post(&format!("/api/sessions/{id}/stop"), &json!({})).await?;
        match args.server.json {
            true => say(&session)?,
            false => say_text(id)?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_has_a_line_for_each_session_and_nothing_that_draws() {
        let now: Timestamp = "2026-01-01T10:00:00Z".parse().expect("a time");
        let sessions = [
            json!({ "id": "build", "phase": "running", "created_at": "2026-01-01T09:58:00Z", "command": "make\x1b[2J" }),
            json!({ "id": "x", "phase": "ended", "end_reason": "exit", "exit_code": 3, "created_at": "2025-12-30T10:00:00Z",
                "command": "false" }),
        ];
        let expected = "ID     PHASE      AGE  COMMAND\nbuild  running    2m   make [2J\nx      ended (3)  2d   false";
        assert_eq!(table(&sessions, now), expected);
    }
}
