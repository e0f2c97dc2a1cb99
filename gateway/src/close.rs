//! How an attach ends, and what the viewer is told: the one match to close codes.

use podling_daemon::problem::Problem;
use podling_proto::terminal::Exit;
use podling_session::refusal::{Refusal, close};
use tonic::{Code, Status};

use crate::{
    attach::{BadAsk, Dialect},
    controller,
};

const DAMAGED: &str = "the terminal log is damaged";

/// A refusal with what is wrong in this very request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) refusal: Refusal,
    pub(crate) detail: String,
    pub(crate) field: Option<&'static str>,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Refused {
        Refused { refusal, detail: refusal.message().to_owned(), field: None }
    }
}

impl From<BadAsk> for Refused {
    fn from(bad: BadAsk) -> Refused {
        let detail = format!("{}: {}: {}", Refusal::BadRequest.message(), bad.field, bad.rule);
        Refused { refusal: Refusal::BadRequest, detail, field: Some(bad.field) }
    }
}

impl Refused {
    pub(crate) fn problem(&self) -> Problem {
        let status = http::StatusCode::from_u16(self.refusal.http_status()).expect("the table holds statuses");
        let mut problem = Problem::new(status, self.refusal.problem_type(), self.detail.clone());
        problem.field = self.field.map(str::to_owned);
        match self.refusal {
            Refusal::Unavailable | Refusal::TooManyViewers => problem.retry_after(std::time::Duration::from_secs(1)),
            _ => problem,
        }
    }
}

/// How an open socket ends.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Ending {
    /// The session ended, and the viewer has seen all of it.
    Exit(Exit),
    Refused(Refused),
    /// The runner closed this stream.
    Closed {
        code: u16,
        reason: String,
    },
    /// The gateway drains.
    Draining,
    /// The session cannot be reached, for longer than a viewer should wait here.
    Unreachable,
    /// The viewer closed, with this code and reason if any.
    Left(Option<(u16, String)>),
    /// The connection broke.
    Gone,
    /// The viewer answered no ping.
    Silent,
    /// The viewer's socket took nothing for too long.
    TooSlow,
    /// The viewer sent what its subprotocol does not have, or more than it may.
    Violation {
        code: u16,
        reason: &'static str,
    },
}

impl Ending {
    /// For metrics and logs; a closed set.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Ending::Exit(_) => "exit",
            Ending::Refused(_) => "refused",
            Ending::Closed { .. } => "closed",
            Ending::Draining => "draining",
            Ending::Unreachable => "unreachable",
            Ending::Left(_) | Ending::Gone => "gone",
            Ending::Silent => "silent",
            Ending::TooSlow => "too-slow",
            Ending::Violation { .. } => "violation",
        }
    }

    /// Code and reason of the close frame; none for a viewer that gave none itself, or would not read it.
    pub(crate) fn close_frame(&self, dialect: Dialect) -> Option<(u16, &str)> {
        Some(match self {
            Ending::Left(why) => return why.as_ref().map(|(code, reason)| (*code, reason.as_str())),
            Ending::Exit(exit) => (close::ENDED, exit.reason.as_str()),
            Ending::Refused(refused) => (refused.refusal.close_code(), refused.detail.as_str()),
            Ending::Closed { code, reason } => (*code, reason.as_str()),
            Ending::Draining => (close::DRAINING, "draining"),
            // A plain client cannot resume: to it this is a failure.
            Ending::Unreachable if dialect == Dialect::Plain => (1011, "unreachable"),
            Ending::Unreachable => (close::DRAINING, "unreachable"),
            Ending::TooSlow => (close::TOO_SLOW, "too slow"),
            Ending::Violation { code, reason } => (*code, *reason),
            Ending::Gone | Ending::Silent => return None,
        })
    }
}

/// What a failed Attach means to the viewer; none when it is worth another try.
pub(crate) fn ending(status: &Status) -> Option<Ending> {
    let refused = match controller::code(status) {
        Code::Unauthenticated => Refusal::Token.into(),
        Code::NotFound => Refusal::NoSuchSession.into(),
        Code::FailedPrecondition => Refusal::Pruned.into(),
        Code::ResourceExhausted => Refusal::TooManyViewers.into(),
        Code::Unimplemented | Code::InvalidArgument => {
            let detail = format!("{}: {}", Refusal::BadRequest.message(), status.message());
            Refused { refusal: Refusal::BadRequest, detail, field: None }
        }
        // Trying again would find the same damage.
        Code::DataLoss => return Some(Ending::Closed { code: close::PRUNED, reason: DAMAGED.to_owned() }),
        Code::OutOfRange => {
            return Some(Ending::Closed { code: close::FELL_OFF, reason: status.message().to_owned() });
        }
        _ => return None,
    };
    Some(Ending::Refused(refused))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_one_row_in_both_tables() {
        let check = |refusal: Refusal, status: u16| {
            let refused = Refused::from(refusal);
            assert_eq!(refused.problem().status, status);
            let ending = Ending::Refused(refused);
            assert_eq!(ending.close_frame(Dialect::Framed).expect("a frame").0, 4000 + status);
        };
        check(Refusal::BadRequest, 400);
        check(Refusal::Token, 401);
        check(Refusal::NoSuchSession, 404);
        check(Refusal::Pruned, 410);
        check(Refusal::TooManyViewers, 429);
        check(Refusal::Unavailable, 503);
    }

    #[test]
    fn a_plain_client_is_not_told_to_come_back() {
        let code = |dialect| Ending::Unreachable.close_frame(dialect).map(|(code, _)| code);
        assert_eq!((code(Dialect::Framed), code(Dialect::Plain)), (Some(1001), Some(1011)));
    }

    #[test]
    fn only_a_passing_failure_is_tried_again() {
        let code = |code| match ending(&Status::new(code, "64")) {
            Some(ending) => ending.close_frame(Dialect::Framed).map(|(code, _)| code),
            None => None,
        };
        assert_eq!(code(Code::Unavailable), None);
        assert_eq!(code(Code::Unknown), None);
        assert_eq!(code(Code::Unauthenticated), Some(4401));
        assert_eq!(code(Code::ResourceExhausted), Some(4429));
        assert_eq!(code(Code::OutOfRange), Some(4411));
        assert_eq!(code(Code::FailedPrecondition), Some(4410));
        assert_eq!(code(Code::DataLoss), Some(4410));
        assert_eq!(code(Code::Unimplemented), Some(4400));
    }
}
