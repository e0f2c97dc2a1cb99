//! Where a viewer's connection is found, and found again.

use std::time::Duration;

use rand::RngExt;
use reqwest::Client;
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use super::{
    super::{
        api::Api,
        error::{ClientError, Problem},
    },
    socket::{Capability, Socket},
};

/// All viewers of a gateway that died come back at once: spread over this.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const MAX_PAUSE: Duration = Duration::from_secs(5);
/// Who waits longer is told.
const TELL: Duration = Duration::from_secs(3);

/// Where the output begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begin {
    /// With the first byte that is kept.
    Log,
    /// With the screen as it is.
    Screen,
}

pub(super) enum Found {
    Socket(Box<Socket>),
    /// Nobody yet, for so long that it should be told.
    Silence(&'static str),
}

pub(super) struct Seeker {
    api: Api,
    client: Client,
    uid: String,
    capability: Capability,
    begin: Begin,
    /// Everything below came.
    offset: Option<u64>,
    patience: Duration,
    lost: Lost,
}

/// How long there has been no connection.
#[derive(Clone, Copy, Debug)]
struct Lost {
    since: Instant,
    next_try: Instant,
    pause: Duration,
    told: bool,
}

impl Lost {
    fn now() -> Lost {
        let now = Instant::now();
        Lost { since: now, next_try: now, pause: FIRST_PAUSE, told: false }
    }

    fn put_off(&mut self) {
        self.next_try = Instant::now() + self.pause.mul_f64(rand::rng().random_range(0.5..1.0));
        self.pause = (self.pause * 2).min(MAX_PAUSE);
    }
}

impl Seeker {
    pub(super) fn new(
        api: Api,
        uid: String,
        token: &str,
        begin: Begin,
        patience: Duration,
    ) -> Result<Seeker, ClientError> {
        let (client, capability) = (api.upgrading()?, Capability::token(token));
        Ok(Seeker { api, client, uid, capability, begin, offset: None, patience, lost: Lost::now() })
    }

    /// A connection, when it is time to look for one. What a dropped call had begun is begun again.
    ///
    /// # Errors
    /// When there is none for too long, or there will be none.
    pub(super) async fn seek(&mut self) -> Result<Found, ClientError> {
        loop {
            if !self.lost.told && self.lost.since.elapsed() >= TELL {
                self.lost.told = true;
                return Ok(Found::Silence("The connection is lost; the session goes on, and is looked for."));
            }
            sleep_until(self.lost.next_try).await;
            let query = self.query();
            match Socket::open(&self.api, &self.client, &self.uid, &self.capability, &query).await {
                Ok(socket) => return Ok(Found::Socket(Box::new(socket))),
                Err(error) if error.is_passing() && self.lost.since.elapsed() < self.patience => self.lost.put_off(),
                Err(error) => return Err(error),
            }
        }
    }

    fn query(&self) -> String {
        let mode = match self.begin {
            Begin::Log => "lossless",
            Begin::Screen => "plain",
        };
        match self.offset {
            Some(offset) => format!("mode={mode}&from={offset}"),
            None => format!("mode={mode}"),
        }
    }

    /// The server knows us: with this token we come back.
    pub(super) fn found(&mut self, token: String) {
        self.capability = Capability::Resume { token };
    }

    /// Output came, up to this offset: the connection is a good one.
    pub(super) fn came(&mut self, offset: u64) {
        self.offset = Some(offset);
        self.lost = Lost::now();
    }

    /// The connection closed: what to do about it.
    ///
    /// # Errors
    /// When there is no way back.
    pub(super) async fn lost(&mut self, code: u16, reason: &str, problem: Option<Problem>) -> Result<(), ClientError> {
        let gone = |message: &str, hint: &str| Err(ClientError::here(message, hint));
        match code {
            4401 => self.renew(problem).await?,
            4409 => return gone("another terminal took this one's place", "`podling attach` takes it back."),
            4411 => self.offset = reason.parse().ok(), // What was before is not kept any more.
            // Draining, lost, a dependency down, too many viewers, idle, too slow: all of that passes.
            1001 | 1006 | 1011..=1014 | 4408 | 4412 | 4429 | 4503 => {}
            _ => {
                return match problem {
                    Some(problem) => Err(ClientError::Refused(problem)),
                    None => gone(&format!("the server closed with {code} {reason}"), "`podling attach` tries again."),
                };
            }
        }
        if self.lost.since.elapsed() >= self.patience {
            return gone("the session could not be reached for too long", "`podling attach` tries again.");
        }
        self.lost.put_off();
        Ok(())
    }

    /// A token that is refused is old: another one is asked for, as another viewer's.
    async fn renew(&mut self, problem: Option<Problem>) -> Result<(), ClientError> {
        if let (Capability::Token { .. }, Some(problem)) = (&self.capability, problem) {
            return Err(ClientError::Refused(problem));
        }
        let ticket = self.api.post(&format!("/api/sessions/{}/token", self.uid), &json!({})).await?;
        self.capability = Capability::token(ticket["token"].as_str().unwrap_or_default());
        Ok(())
    }
}
