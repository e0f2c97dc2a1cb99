//! How much a viewer may be sent beyond what it has acked: enough to keep it busy, and no more, because what is on the way
//! is what stands between a key and its effect.
//!
//! The window is what the viewer takes in its round trip and `SLACK` more. Rate and round trip are measured from its acks
//! as BBR does (draft-ietf-ccwg-bbr: delivery rate samples, the greatest of recent rounds; the least round trip).

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

const MIN_WINDOW: u64 = 16 << 10;
const MAX_WINDOW: u64 = 1 << 20;
/// The window of a viewer that is not known yet.
const START_WINDOW: u64 = 64 << 10;
/// How long a viewer may be busy with what it has, when its acks are late.
const SLACK: Duration = Duration::from_millis(15);
/// What is taken at once may be a buffer on the way: it counts as if it had taken so long. A fast viewer's window grows
/// threefold with each round all the same.
const SHORTEST: Duration = Duration::from_millis(5);
/// The greatest rate of so many round trips counts.
const ROUNDS: usize = 8;
/// An ack is late when it comes so much after the least round trip: more was sent than the viewer takes in its window.
const LATE: Duration = Duration::from_millis(60);
/// Once acks have been late for so long, the viewer has become slower. A busy machine makes one ack late, and then many
/// come together.
const LATE_FOR: Duration = Duration::from_millis(30);
/// The least round trip is measured anew when it is this old.
const ROUND_TRIP_LIFE: Duration = Duration::from_secs(10);
/// The most that is sent in one message.
const MAX_CHUNK: u64 = 64 << 10;
/// A viewer is left behind when what it misses would take it longer than this.
const BEHIND: Duration = Duration::from_millis(25);
/// But not before it misses this much, when it takes as much as programs write: then a busy machine is all that is wrong.
const HICCUP_BYTES: u64 = 4 << 20;
/// Bytes a second of such a viewer.
const FAST: f64 = 24e6;

#[derive(Debug)]
pub(super) struct Credit {
    window: u64,
    /// Bytes of output sent and taken in all.
    sent: u64,
    taken: u64,
    taken_at: Instant,
    /// When that was sent which was taken last.
    first_sent_at: Instant,
    flights: VecDeque<Flight>,
    /// Until this much is taken, rates are those of the program and not of the viewer.
    idle_until: u64,
    /// The greatest rate of each recent round, in bytes a second.
    rates: [f64; ROUNDS],
    round: usize,
    round_ends: u64,
    /// A rate was the viewer's own.
    is_known: bool,
    round_trip: Option<Duration>,
    round_trip_at: Instant,
    /// Since when acks are late, and what was taken then.
    late: Option<(Instant, u64)>,
}

/// Messages that are on the way together.
#[derive(Clone, Copy, Debug)]
struct Flight {
    /// The offsets they span, and how much had been sent before.
    from: u64,
    to: u64,
    sent: u64,
    at: Instant,
    /// As they were when the first was sent.
    taken: u64,
    taken_at: Instant,
    first_sent_at: Instant,
    is_limited: bool,
    /// Little was on the way before.
    is_alone: bool,
}

impl Credit {
    pub(super) fn new(now: Instant) -> Credit {
        Credit {
            window: START_WINDOW,
            sent: 0,
            taken: 0,
            taken_at: now,
            first_sent_at: now,
            flights: VecDeque::new(),
            idle_until: 0,
            rates: [0.0; ROUNDS],
            round: 0,
            round_ends: 0,
            is_known: false,
            round_trip: None,
            round_trip_at: now,
            late: None,
        }
    }

    /// How many of so many bytes may be sent now in one message: all, a chunk, or none.
    pub(super) fn allows(&self, bytes: usize, now: Instant) -> usize {
        let (bytes, window) = (bytes as u64, self.window(now));
        let chunk = bytes.min(window / 4).min(MAX_CHUNK).min(window.saturating_sub(self.on_the_way()));
        // Crumbs of credit are let gather.
        if chunk >= bytes.min(window / 16) { usize::try_from(chunk).unwrap_or(usize::MAX) } else { 0 }
    }

    /// Whether half of the window is free: enough for a new beginning to be worth its snapshot.
    pub(super) fn is_half_free(&self, now: Instant) -> bool {
        self.on_the_way() * 2 <= self.window(now)
    }

    /// Whether a viewer that misses this much had better go on from the newest screen.
    pub(super) fn is_left_behind(&self, backlog: u64) -> bool {
        let tolerance = match self.rate() {
            Some(rate) if rate < FAST => bytes_in(rate, BEHIND),
            _ => HICCUP_BYTES,
        };
        backlog > tolerance.max(self.window)
    }

    /// Bytes a second that the viewer takes; `None` until it was measured.
    pub(super) fn rate(&self) -> Option<f64> {
        self.is_known.then(|| self.greatest_rate())
    }

    /// Output from this offset on was sent.
    pub(super) fn sent(&mut self, offset: u64, bytes: usize, now: Instant) {
        let bytes = bytes as u64;
        if self.flights.is_empty() {
            (self.taken_at, self.first_sent_at) = (now, now);
        }
        let is_alone = self.on_the_way() <= MIN_WINDOW / 2;
        self.sent += bytes;
        match self.flights.back_mut() {
            // Few flights, however small the messages are.
            Some(last) if last.to == offset && offset - last.from + bytes <= self.window / 16 => {
                (last.to, last.at) = (offset + bytes, now);
            }
            _ => self.flights.push_back(Flight {
                from: offset,
                to: offset + bytes,
                sent: self.sent - bytes,
                at: now,
                taken: self.taken,
                taken_at: self.taken_at,
                first_sent_at: self.first_sent_at,
                is_limited: self.taken < self.idle_until,
                is_alone,
            }),
        }
    }

    /// There is nothing to send.
    pub(super) fn idle(&mut self) {
        self.idle_until = self.sent + 1;
    }

    /// The viewer took everything below this offset.
    pub(super) fn acked(&mut self, offset: u64, now: Instant) {
        let mut last = None;
        while let Some(flight) = self.flights.pop_front_if(|flight| flight.to <= offset) {
            self.take(flight.sent + (flight.to - flight.from), now);
            last = Some(flight);
        }
        if let Some(flight) = self.flights.front() {
            let part = flight.sent + offset.saturating_sub(flight.from);
            if offset > flight.from && part > self.taken {
                self.take(part, now);
            }
        }
        if let Some(flight) = last {
            self.measure(&flight, now);
        }
    }

    fn take(&mut self, taken: u64, now: Instant) {
        (self.taken, self.taken_at) = (taken, now);
    }

    fn measure(&mut self, flight: &Flight, now: Instant) {
        let round_trip = now - flight.at;
        let is_least = self.round_trip.is_none_or(|least| round_trip <= least);
        if is_least || (flight.is_alone && self.is_round_trip_old(now)) {
            (self.round_trip, self.round_trip_at) = (Some(round_trip), now);
        }
        // The longer of the two: acks that were held up and come together say nothing of the rate.
        let interval = (now - flight.taken_at).max(flight.at - flight.first_sent_at);
        self.first_sent_at = flight.at;
        if flight.taken >= self.round_ends && !flight.is_limited {
            self.round_ends = self.sent;
            self.round = (self.round + 1) % ROUNDS;
            self.rates[self.round] = 0.0;
        }
        let rate = (self.taken - flight.taken) as f64 / interval.max(SHORTEST).as_secs_f64();
        if !flight.is_limited || rate > self.greatest_rate() {
            self.rates[self.round] = self.rates[self.round].max(rate);
        }
        self.is_known |= !flight.is_limited;
        self.mind_lateness(round_trip, now);
        self.set_window();
    }

    /// A viewer that has become slower shows it by acks that are late and go on to be. The rounds that would tell so are
    /// long by then: each is a window of what it took before.
    fn mind_lateness(&mut self, round_trip: Duration, now: Instant) {
        if round_trip < self.round_trip.unwrap_or_default() + LATE {
            self.late = None;
            return;
        }
        let (since, taken) = *self.late.get_or_insert((now, self.taken));
        if now - since >= LATE_FOR {
            self.rates = [0.0; ROUNDS];
            self.rates[self.round] = (self.taken - taken) as f64 / (now - since).as_secs_f64();
            self.late = Some((now, self.taken));
        }
    }

    fn set_window(&mut self) {
        let time = self.round_trip.unwrap_or_default() + SLACK;
        let least = if self.is_known { MIN_WINDOW } else { START_WINDOW };
        self.window = bytes_in(self.greatest_rate(), time).clamp(least, MAX_WINDOW);
    }

    /// Little is sent while the round trip is measured: with more on the way it is that of the queue.
    fn window(&self, now: Instant) -> u64 {
        if self.is_known && self.is_round_trip_old(now) { MIN_WINDOW } else { self.window }
    }

    fn is_round_trip_old(&self, now: Instant) -> bool {
        now - self.round_trip_at > ROUND_TRIP_LIFE
    }

    fn on_the_way(&self) -> u64 {
        self.sent - self.taken
    }

    fn greatest_rate(&self) -> f64 {
        self.rates.iter().copied().fold(0.0, f64::max)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate is not negative, and `as` saturates"
)]
fn bytes_in(rate: f64, time: Duration) -> u64 {
    (rate * time.as_secs_f64()) as u64
}

#[cfg(test)]
mod tests;
