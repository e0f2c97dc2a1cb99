//! `podling logs`: what a session has printed, and what it prints.

use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
};

use futures_util::StreamExt;
use http::Method;
use reqwest::Response;
use tokio::time::timeout;
use url::form_urlencoded::Serializer;

use super::{
    SIGPIPE,
    api::{Api, PATIENCE, Pauses},
    args::LogsArgs,
    attach::output,
    by_signal,
    error::ClientError,
    queries::QueryStripper,
    run::say,
};

const FIRST_OFFSET: &str = "x-log-first-offset";

pub(super) async fn print(api: &Api, args: LogsArgs) -> Result<ExitCode, ClientError> {
    let (mut printer, mut pauses) = (Printer::new(&args), Pauses::default());
    loop {
        let reading = read(api, &args, &mut printer).await;
        match reading {
            Ok(End::Whole) => return Ok(ExitCode::SUCCESS),
            Ok(End::Unread) => return Ok(by_signal(SIGPIPE)),
            Ok(End::Cut(came)) => {
                if came {
                    pauses = Pauses::default();
                }
                pauses.wait(ClientError::here("the log breaks off", "Try again.")).await?;
            }
            Err(error) if error.is_passing() && printer.offset.is_some() => pauses.wait(error).await?,
            Err(error) => return Err(error),
        }
    }
}

enum End {
    Whole,
    /// Whether anything had come.
    Cut(bool),
    /// Nobody reads what we print.
    Unread,
}

async fn read(api: &Api, args: &LogsArgs, printer: &mut Printer) -> Result<End, ClientError> {
    let path = format!("/api/sessions/{}/log?{}", args.id, query(args, printer.offset));
    let response = api.send(api.request(Method::GET, &path)).await?;
    // Text is shorter than what it was made from: there is no offset to go on at.
    if !args.text {
        printer.begins(first(&response));
    }
    let (mut body, mut came) = (response.bytes_stream(), false);
    loop {
        // A log that is followed is silent as long as its session is.
        let next = match args.follow {
            true => body.next().await,
            false => match timeout(PATIENCE, body.next()).await {
                Ok(next) => next,
                Err(_) => return Ok(End::Cut(came)),
            },
        };
        match next {
            None => return Ok(End::Whole),
            Some(Err(_)) if args.text => return Err(ClientError::here("the log breaks off", "Try again.")),
            Some(Err(_)) => return Ok(End::Cut(came)),
            Some(Ok(bytes)) => {
                came = true;
                if printer.print(&bytes).is_err() {
                    return Ok(End::Unread);
                }
            }
        }
    }
}

fn query(args: &LogsArgs, offset: Option<u64>) -> String {
    let mut query = Serializer::new(String::new());
    query.append_pair("follow", if args.follow { "true" } else { "false" });
    query.append_pair("format", if args.text { "text" } else { "raw" });
    if let Some(from) = offset.or(args.from) {
        query.append_pair("from", &from.to_string());
    }
    query.finish()
}

fn first(response: &Response) -> u64 {
    let header = response.headers().get(FIRST_OFFSET).and_then(|value| value.to_str().ok());
    header.and_then(|text| text.parse().ok()).unwrap_or_default()
}

struct Printer {
    /// Everything below was printed.
    offset: Option<u64>,
    from: Option<u64>,
    json: bool,
    /// Where a terminal would answer.
    queries: Option<QueryStripper>,
}

impl Printer {
    fn new(args: &LogsArgs) -> Printer {
        let drawn = !args.server.json && io::stdout().is_terminal();
        Printer { offset: None, from: args.from, json: args.server.json, queries: drawn.then(QueryStripper::default) }
    }

    fn begins(&mut self, first: u64) {
        self.offset.get_or_insert(self.from.unwrap_or(first));
    }

    fn print(&mut self, bytes: &[u8]) -> io::Result<()> {
        let end = self.offset.map(|offset| offset + bytes.len() as u64);
        if self.json {
            let end = end.unwrap_or(bytes.len() as u64);
            say(&output("output", bytes, end)).map_err(io::Error::other)?;
        } else {
            let mut out = io::stdout().lock();
            match &mut self.queries {
                Some(queries) => out.write_all(&queries.push(bytes))?,
                None => out.write_all(bytes)?,
            }
            out.flush()?;
        }
        self.offset = end;
        Ok(())
    }
}
