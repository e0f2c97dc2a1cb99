//! Credit over links of every kind.

use super::*;

const MIB: u64 = 1 << 20;

/// A viewer that takes `rate` bytes a second, one way `delay` from us, that is sent all it may be for so long.
struct Link {
    rate: f64,
    delay: Duration,
    /// It takes at once what it could have taken in so long a silence.
    slack: Duration,
    now: Instant,
    /// When the viewer has taken what it was sent.
    busy_until: Instant,
    /// Acks on their way.
    acks: VecDeque<(Instant, u64)>,
    offset: u64,
    credit: Credit,
}

impl Link {
    fn new(rate: f64, delay: Duration) -> Link {
        let now = Instant::now();
        let (slack, acks) = (Duration::ZERO, VecDeque::new());
        Link { rate, delay, slack, now, busy_until: now, acks, offset: 0, credit: Credit::new(now) }
    }

    /// Returns the bytes a second that got through.
    fn flood(&mut self, time: Duration) -> f64 {
        let (began, before) = (self.now, self.credit.taken);
        while self.now < began + time {
            let bytes = self.credit.allows(1 << 20, self.now);
            if bytes > 0 {
                self.send(bytes);
            } else {
                let (at, offset) = self.acks.pop_front().expect("something is on the way");
                self.now = at;
                self.credit.acked(offset, at);
            }
        }
        (self.credit.taken - before) as f64 / (self.now - began).as_secs_f64()
    }

    fn send(&mut self, bytes: usize) {
        self.credit.sent(self.offset, bytes, self.now);
        self.offset += bytes as u64;
        let taking = Duration::from_secs_f64(bytes as f64 / self.rate);
        let arrives = self.now + self.delay;
        self.busy_until = self.busy_until.max(arrives - self.slack) + taking;
        self.acks.push_back((self.busy_until.max(arrives) + self.delay, self.offset));
    }
}

#[test]
fn a_slow_reader_ends_at_what_it_takes_in_fifteen_milliseconds_and_its_round_trip() {
    let mut link = Link::new(2e6, Duration::from_micros(150));
    let through = link.flood(Duration::from_secs(60));
    assert!((28_000..45_000).contains(&link.credit.window), "{}", link.credit.window);
    assert!(through > 1.9e6, "{through}");
}

#[test]
fn a_fast_reader_nearby_ends_at_the_widest_window() {
    let mut link = Link::new(100e6, Duration::from_micros(100));
    let through = link.flood(Duration::from_secs(2));
    assert!(link.credit.window == MIB && through > 95e6, "{} {through}", link.credit.window);
}

#[test]
fn a_reader_far_away_is_not_starved() {
    let mut link = Link::new(20e6, Duration::from_millis(25));
    link.flood(Duration::from_secs(2));
    let through = link.flood(Duration::from_secs(30));
    assert!(through > 0.9 * (MIB as f64 / 0.060).min(20e6), "{through} {}", link.credit.window);
}

#[test]
fn a_reader_that_becomes_faster_or_slower_is_followed() {
    let mut link = Link::new(2e6, Duration::from_micros(150));
    link.flood(Duration::from_secs(5));
    link.rate = 50e6;
    assert!(link.flood(Duration::from_secs(5)) > 45e6);
    link.rate = 2e6;
    link.flood(Duration::from_secs(30));
    assert!(link.credit.window < 50_000, "{}", link.credit.window);
}

#[test]
fn what_is_on_the_way_to_a_viewer_that_became_slower_is_soon_little() {
    let mut link = Link::new(100e6, Duration::from_micros(150));
    link.flood(Duration::from_secs(1));
    link.rate = 2e6;
    link.flood(Duration::from_millis(700));
    assert!(link.credit.on_the_way() < 64_000, "{}", link.credit.on_the_way());
}

#[test]
fn a_first_burst_is_not_taken_for_a_rate() {
    let mut link = Link::new(2e6, Duration::from_micros(150));
    link.busy_until -= Duration::from_secs(1);
    link.slack = Duration::from_millis(20);
    for _ in 0..100 {
        link.flood(Duration::from_millis(5));
        assert!(link.credit.on_the_way() <= 160 << 10, "{}", link.credit.on_the_way());
    }
    assert!(link.credit.on_the_way() < 64_000, "{}", link.credit.on_the_way());
}

#[test]
fn a_pause_of_a_fast_viewer_does_not_make_it_a_slow_one() {
    let mut link = Link::new(80e6, Duration::from_micros(150));
    link.flood(Duration::from_secs(1));
    let pause = Duration::from_millis(250);
    link.busy_until += pause;
    for (at, _) in &mut link.acks {
        *at += pause;
    }
    link.flood(Duration::from_millis(400));
    assert!(link.credit.rate().expect("known") >= FAST && link.credit.window == MIB, "{:?}", link.credit.rate());
}

#[test]
fn keys_and_their_echoes_say_nothing_of_the_rate_and_keep_few_records() {
    let mut link = Link::new(100e6, Duration::from_micros(100));
    for _ in 0..1_000 {
        link.credit.idle();
        link.send(3);
        let (at, offset) = link.acks.pop_front().expect("the echo");
        link.now = at;
        link.credit.acked(offset, at);
        link.now += Duration::from_millis(50);
    }
    assert_eq!((link.credit.window, link.credit.rate()), (START_WINDOW, None));
    for _ in 0..10_000 {
        link.credit.sent(link.offset, 3, link.now);
        link.offset += 3;
    }
    assert!(link.credit.flights.len() <= 32, "{}", link.credit.flights.len());
    let taken = link.credit.taken;
    link.credit.acked(link.offset - 1, link.now);
    assert_eq!(link.credit.taken, taken + 29_999);
}

#[test]
fn only_a_viewer_that_would_need_long_is_left_behind() {
    let check = |rate: f64, backlog: u64, expected| {
        let mut link = Link::new(rate, Duration::from_micros(100));
        link.flood(Duration::from_secs(3));
        assert_eq!(link.credit.is_left_behind(backlog), expected, "{rate} {backlog}");
    };
    check(2e6, 40_000, false);
    check(2e6, 80_000, true);
    check(80e6, 3 * MIB, false);
    check(80e6, 5 * MIB, true);
    let new = Credit::new(Instant::now());
    assert!(!new.is_left_behind(3 * MIB) && new.is_left_behind(5 * MIB));
}
