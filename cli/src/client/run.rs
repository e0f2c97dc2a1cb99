//! `podling run`: this folder, a command, a session, and this terminal.

use std::{io::Write, process::ExitCode};

use serde_json::{Map, Value, json};

use super::{
    api::Api,
    args::RunArgs,
    attach::{self, Begin, Plan},
    error::ClientError,
    pack::{Packed, pack},
    progress::Progress,
    style, told,
    upload::{Uploaded, upload},
};

pub(super) async fn run(api: Api, args: RunArgs) -> Result<ExitCode, ClientError> {
    let mut body = body(&args)?;
    let (packed, uploaded) = send(&api, &args).await?;
    body["code_url"] = json!(format!("bundle:sha256:{}", packed.sha256));
    let session = api.create(&body).await?;
    let text = |name: &str| session[name].as_str().unwrap_or_default().to_owned();
    if args.server.json {
        say(
            &json!({ "type": "bundle", "sha256": packed.sha256, "bytes": packed.bytes, "files": packed.contents.entries,
            "sent_bytes": uploaded.sent_bytes, "left_out": packed.left_out }),
        )?;
        let mut started = session.clone();
        started["type"] = json!("session");
        say(&started)?;
    }
    if args.detach {
        if !args.server.json {
            say_text(&format!("{}\n{}", text("id"), text("terminalUrl")))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let plan = Plan {
        api,
        uid: text("uid"),
        token: text("token"),
        begin: Begin::Log,
        style: style(args.server.json),
        keys: args.terminal.detach_keys,
        reconnect: args.terminal.reconnect,
    };
    Ok(told(attach::run(plan).await?, &text("id"), args.server.json))
}

/// Packs the folder and sends what the server lacks of it.
async fn send(api: &Api, args: &RunArgs) -> Result<(Packed, Uploaded), ClientError> {
    let progress = Progress::new(args.server.json);
    let packed = pack(&args.dir, &mut |contents| progress.packing(contents))?;
    for line in packed.left_out.iter().filter(|_| !args.server.json) {
        progress.say(&format!("left out: {line}"));
    }
    progress.begin_upload(packed.bytes);
    let uploaded = upload(api, &packed, &mut |offset| progress.sent(offset)).await?;
    progress.done(&packed, uploaded);
    Ok((packed, uploaded))
}

/// The create, but for the bundle: what is wrong with it is known before anything is packed.
fn body(args: &RunArgs) -> Result<Value, ClientError> {
    let mut body = Map::new();
    body.insert("command".to_owned(), json!(args.shell_line()));
    body.insert("env".to_owned(), json!(args.variables()?));
    body.insert("secrets".to_owned(), json!(args.secrets()?));
    body.insert("labels".to_owned(), json!(args.labels()?));
    if let Some(name) = &args.name {
        body.insert("id".to_owned(), json!(name));
    }
    if let Some(prompt) = &args.prompt {
        body.insert("prompt".to_owned(), json!(prompt));
    }
    if args.no_egress {
        body.insert("egress".to_owned(), json!(false));
    }
    if let Some(install) = &args.install {
        body.insert("install_cmd".to_owned(), json!(install));
    }
    Ok(body.into())
}

/// A line for the program that reads us.
pub(super) fn say(value: &Value) -> Result<(), ClientError> {
    say_text(&value.to_string())
}

pub(super) fn say_text(text: &str) -> Result<(), ClientError> {
    let mut out = std::io::stdout().lock();
    let written = writeln!(out, "{text}").and_then(|()| out.flush());
    written.map_err(|error| ClientError::here(format!("nobody reads standard output: {error}"), ""))
}
