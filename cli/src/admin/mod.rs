//! `podling admin`: what operators do with a deployment, over `podling.admin.v1`.
//!
//! `args` is what they say, `connect` finds the service, each command is one call, and `shown` puts the answer into words: a
//! table for people, the answer itself in JSON for programs.

mod args;
mod connect;
mod keys;
mod quota;
mod shown;
mod trail;

use std::process::ExitCode;

use clap::ArgMatches;
use podling_proto::admin::{
    DrainGatewayRequest, GetSessionRequest, ListGatewaysRequest, ListSessionsRequest, RotateKeysRequest, StatsRequest,
    SweepRequest, TerminateSessionRequest,
};

pub(crate) use self::args::Args;
use self::{
    args::{Command, SessionsArgs},
    connect::{Admin, AdminError, answered},
    shown::Output,
};

/// As of the client: when Podling failed.
const FAILED: u8 = 125;

pub(crate) fn main(args: Args, said: &ArgMatches) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime of one thread needs nothing but a few descriptors");
    let json = args.place.json;
    let outcome = runtime.block_on(perform(args, said));
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error, json);
            ExitCode::from(FAILED)
        }
    }
}

fn complain(error: &AdminError, json: bool) {
    match json {
        true => eprintln!("{}", serde_json::json!({ "error": error.to_string(), "hint": error.hint() })),
        false => eprintln!("error: {error}\n{}", error.hint()),
    }
}

async fn perform(args: Args, said: &ArgMatches) -> Result<(), AdminError> {
    let Args { place, command } = args;
    let mut admin = connect::connect(&place, said).await?;
    let out = Output { json: place.json };
    match command {
        Command::Sessions(wanted) => sessions(&mut admin, &out, wanted).await,
        Command::Show { uid } => out.one("Session", &answered(admin.get_session(GetSessionRequest { uid })).await?),
        Command::Kill { uid, reason } => {
            let request = TerminateSessionRequest { uid, reason: reason.unwrap_or_default() };
            out.one("Session", &answered(admin.terminate_session(request)).await?)
        }
        Command::Events(wanted) => trail::events(&mut admin, &out, wanted).await,
        Command::Audit(wanted) => trail::audit(&mut admin, &out, wanted).await,
        Command::Keys(command) => keys::perform(&mut admin, &out, command).await,
        Command::Quota(command) => quota::perform(&mut admin, &out, command).await,
        Command::RotateKeys => out.one("RotateKeysResponse", &answered(admin.rotate_keys(RotateKeysRequest {})).await?),
        Command::Gateways => {
            let gateways = answered(admin.list_gateways(ListGatewaysRequest {})).await?.gateways;
            out.many("Gateway", &gateways, &["id", "address", "viewers", "draining", "version", "started_at"])
        }
        Command::Drain { id } => out.one("Gateway", &answered(admin.drain_gateway(DrainGatewayRequest { id })).await?),
        Command::Stats => out.one("StatsResponse", &answered(admin.stats(StatsRequest {})).await?),
        Command::Sweep => out.one("SweepResponse", &answered(admin.sweep(SweepRequest {})).await?),
    }
}

/// All pages.
async fn sessions(admin: &mut Admin, out: &Output, wanted: SessionsArgs) -> Result<(), AdminError> {
    let SessionsArgs { tenant, subject, phase, label, name, deleted } = wanted;
    let mut request = ListSessionsRequest {
        tenant: tenant.unwrap_or_default(),
        subject: subject.unwrap_or_default(),
        phase: phase.unwrap_or_default(),
        labels: label.into_iter().collect(),
        id: name.unwrap_or_default(),
        deleted,
        page_size: 1_000,
        page_token: String::new(),
    };
    let mut sessions = Vec::new();
    loop {
        let page = answered(admin.list_sessions(request.clone())).await?;
        sessions.extend(page.sessions);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    out.many("Session", &sessions, &["uid", "id", "tenant", "subject", "phase", "viewers", "created_at", "command"])
}
