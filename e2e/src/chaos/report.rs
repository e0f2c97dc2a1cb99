//! docs/reliability.md: what was done, and what came of it.

use std::{fmt::Write as _, time::Duration};

use super::fault::Fault;

/// What one fault came to.
#[derive(Debug)]
pub struct Outcome {
    pub fault: Fault,
    pub sessions: usize,
    /// Lines that viewers saw, each once and in order if nothing is broken.
    pub lines: u64,
    /// How long viewers took to come back, each time.
    pub returns: Vec<Duration>,
    /// Requests and attaches that were told to come again, or not answered.
    pub put_off: usize,
    /// From the end of the fault until every viewer had new lines.
    pub recovery: Option<Duration>,
    pub broken: Vec<String>,
}

impl Outcome {
    pub fn new(fault: Fault, sessions: usize, recovery: Option<Duration>) -> Outcome {
        Outcome { fault, sessions, lines: 0, returns: Vec::new(), put_off: 0, recovery, broken: Vec::new() }
    }

    /// One line for who waits.
    pub fn summary(&self) -> String {
        let Outcome { lines, returns, put_off, recovery, broken, .. } = self;
        let slowest = percentile(returns, 99).map_or_else(String::new, |most| format!(", p99 {}", seconds(most)));
        let recovery = recovery.map_or_else(|| "never".to_owned(), seconds);
        let returns = returns.len();
        let verdict = if broken.is_empty() { "nothing broken".to_owned() } else { format!("BROKEN: {broken:#?}") };
        format!("    {lines} lines, {returns} returns{slowest}, {put_off} put off, on after {recovery}; {verdict}")
    }

    pub fn breaks(&mut self, error: Option<anyhow::Error>) {
        self.broken.extend(error.map(|error| format!("{error:#}")));
    }
}

/// The longest of all but the slowest so many percent; none of nothing.
pub fn percentile(times: &[Duration], percent: usize) -> Option<Duration> {
    let mut times = times.to_vec();
    times.sort_unstable();
    times.get((times.len() * percent).div_ceil(100).checked_sub(1)?).copied()
}

/// The page. `date` is a day, `command` what was run.
pub fn page(outcomes: &[Outcome], date: &str, command: &str) -> String {
    let mut page = format!(
        "# Reliability\n\nWritten by `{command}` on {date}: two controllers, two gateways, a Postgres and a Redis on one \
machine of two\nprocessors, with a fault proxy on each link between them. Each row starts sessions that print numbered \
lines, twenty a second,\neach with a viewer that comes back by itself as the page does; then the fault happens, while \
more sessions are created\nunder idempotency keys; then all are ended.\n\n\
What is checked each time: every viewer saw every line once and in order, and the exit code; nobody was locked out; of \
many\nthat show one token at once, one gets in; each key made one session; each session's events tell of one life with \
one end and\na reason; a minute after the end no row is held and no runner is left.\n\n\
| fault | sessions | lines | returns: number, median, p99 | put off | all go on after | broken |\n\
|---|---|---|---|---|---|---|\n"
    );
    for outcome in outcomes {
        let _ = writeln!(page, "{}", row(outcome)); // A string takes everything.
    }
    page.push_str(
        "\n*Put off* counts requests and attaches that were answered with \"come again\" or not at all. *All go on \
after* is counted\nfrom the end of the fault until every viewer had new lines.\n",
    );
    page
}

fn row(outcome: &Outcome) -> String {
    let Outcome { fault, sessions, lines, returns, put_off, recovery, broken } = outcome;
    let number = returns.len();
    let returns = match (percentile(returns, 50), percentile(returns, 99)) {
        (Some(median), Some(most)) => format!("{number}, {}, {}", seconds(median), seconds(most)),
        _ => "none".to_owned(),
    };
    let recovery = recovery.map_or_else(|| "never".to_owned(), seconds);
    let broken = if broken.is_empty() { "nothing".to_owned() } else { broken.join("; ") };
    format!("| {} | {sessions} | {lines} | {returns} | {put_off} | {recovery} | {broken} |", fault.title())
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_what_was_measured() {
        let times: Vec<_> = (1..=200).rev().map(Duration::from_millis).collect();
        assert_eq!(percentile(&times, 50), Some(Duration::from_millis(100)));
        assert_eq!(percentile(&times, 99), Some(Duration::from_millis(198)));
        assert_eq!(percentile(&times[..1], 99), Some(Duration::from_millis(200)));
        assert_eq!(percentile(&[], 50), None);
    }
}
