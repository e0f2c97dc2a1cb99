//! The one table of refusals and closes: HTTP status, WebSocket close code and problem type.

/// Why an attach is refused, or an open stream closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Token bad, spent, expired or for another session. One answer for all four.
    Token,
    NoSuchSession,
    /// The session is known, its log is not kept any more.
    Pruned,
    TooManyViewers,
    /// A dependency is down; nothing was spent.
    Unavailable,
    /// The request itself is wrong: an unknown mode or subprotocol, or a mode that is not available yet.
    BadRequest,
}

impl Refusal {
    pub fn http_status(self) -> u16 {
        match self {
            Refusal::BadRequest => 400,
            Refusal::Token => 401,
            Refusal::NoSuchSession => 404,
            Refusal::Pruned => 410,
            Refusal::TooManyViewers => 429,
            Refusal::Unavailable => 503,
        }
    }

    pub fn close_code(self) -> u16 {
        4_000 + self.http_status()
    }

    /// The last part of the problem's `type`.
    pub fn problem_type(self) -> &'static str {
        match self {
            Refusal::BadRequest => "bad-attach",
            Refusal::Token => "token-refused",
            Refusal::NoSuchSession => "session-not-found",
            Refusal::Pruned => "log-pruned",
            Refusal::TooManyViewers => "too-many-viewers",
            Refusal::Unavailable => "unavailable",
        }
    }

    pub fn message(self) -> &'static str {
        match self {
            Refusal::BadRequest => "The attach request is not valid",
            Refusal::Token => "The token is invalid, expired, already used or for another session",
            Refusal::NoSuchSession => "Session not found",
            Refusal::Pruned => "The log of this session is no longer kept",
            Refusal::TooManyViewers => "Too many viewers",
            Refusal::Unavailable => "Temporarily unavailable, try again",
        }
    }
}

/// Close codes of an open stream.
pub mod close {
    /// The session ended; the reason carries how.
    pub const ENDED: u16 = 1000;
    /// The server drains, or lost its runner: come back at once.
    pub const DRAINING: u16 = 1001;
    /// The share that let the viewer in was revoked. Final.
    pub const REVOKED: u16 = 4403;
    pub const IDLE: u16 = 4408;
    /// Another stream of the same viewer took over. Final for a page.
    pub const REPLACED: u16 = 4409;
    /// The log of the session was pruned.
    pub const PRUNED: u16 = 4410;
    /// The offset asked for is no longer kept; the reason is the first one that is.
    pub const FELL_OFF: u16 = 4411;
    /// The viewer made no progress for too long.
    pub const TOO_SLOW: u16 = 4412;
}
