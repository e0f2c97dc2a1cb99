//! Every measure: what it is called, its unit, what it is compared with, and the goal that it has.

/// How a figure is judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

impl Bound {
    pub(crate) fn holds(self, figure: f64) -> bool {
        match self {
            Bound::AtLeast(least) => figure >= least,
            Bound::AtMost(most) => figure <= most,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Entry {
    /// Names it on the command line, in JSON and in docs/specification.md.
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    pub(crate) unit: &'static str,
    /// What stands beside it, measured in the same round.
    pub(crate) beside: Option<&'static str>,
    /// Whether bounds are for the ratio to that, round by round, or for the value itself.
    pub(crate) figure: Figure,
    pub(crate) goal: Option<Bound>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Figure {
    Ratio,
    Value,
}

const RAW: Option<&str> = Some("raw PTY");
const FOLLOWED: Option<&str> = Some("raw PTY, its reader feeding the emulator on a thread");

const fn ratio(
    id: &'static str,
    title: &'static str,
    unit: &'static str,
    beside: Option<&'static str>,
    goal: Option<Bound>,
) -> Entry {
    Entry { id, title, unit, beside, figure: Figure::Ratio, goal }
}

const fn value(id: &'static str, title: &'static str, unit: &'static str, goal: Option<Bound>) -> Entry {
    Entry { id, title, unit, beside: None, figure: Figure::Value, goal }
}

const NEAR: Option<Bound> = Some(Bound::AtLeast(0.95));

pub(crate) const CATALOGUE: &[Entry] = &[
    ratio("bulk-text-live", "a text file, live", "MB/s", RAW, NEAR),
    ratio("bulk-seq-live", "`seq`, live", "MB/s", RAW, NEAR),
    ratio("bulk-tui-live", "a full screen redrawn, live", "MB/s", RAW, NEAR),
    ratio("bulk-text-lossless", "a text file, lossless", "MB/s", RAW, NEAR),
    ratio("bulk-seq-lossless", "`seq`, lossless", "MB/s", RAW, NEAR),
    ratio("bulk-tui-lossless", "a full screen redrawn, lossless", "MB/s", RAW, NEAR),
    value(
        "bulk-skipped",
        "left out, and said to be, over the live bulks of a round",
        "bytes",
        Some(Bound::AtMost(0.0)),
    ),
    ratio("followed-text", "a text file, live, beside an emulator", "MB/s", FOLLOWED, None),
    ratio("followed-seq", "`seq`, live, beside an emulator", "MB/s", FOLLOWED, None),
    ratio("followed-tui", "a full screen redrawn, live, beside an emulator", "MB/s", FOLLOWED, None),
    value("client", "what the measuring viewer itself could take", "MB/s", None),
    value("cpu-text", "processor time per GB, a text file", "s/GB", None),
    value("cpu-seq", "processor time per GB, `seq`", "s/GB", None),
    value("cpu-tui", "processor time per GB, a full screen redrawn", "s/GB", None),
    ratio("echo-p50", "key to echo, median", "us", RAW, Some(Bound::AtMost(3.0))),
    ratio("echo-p99", "key to echo, 99th percentile", "us", Some("own median"), Some(Bound::AtMost(2.0))),
    ratio("echo-flood", "key to echo, median, beside a flood", "us", Some("own idle median"), Some(Bound::AtMost(1.5))),
    ratio("echo-flood-raw", "raw PTY: the same", "us", Some("its idle median"), None),
    Entry {
        id: "interrupt",
        title: "Ctrl-C during a flood to the prompt, viewer reading 2 MB/s",
        unit: "ms",
        beside: RAW,
        figure: Figure::Value,
        goal: Some(Bound::AtMost(50.0)),
    },
    ratio("create-warm", "create to first byte, warm", "ms", Some("raw PTY spawn"), Some(Bound::AtMost(3.0))),
    ratio("create-cold", "create to first byte, cold", "ms", Some("plain bwrap spawn"), Some(Bound::AtMost(3.0))),
    value("lost", "lines lost over ten cuts of a flood, live", "lines", Some(Bound::AtMost(0.0))),
    value("lost-skipped", "lines left out, and said to be, over the same cuts", "lines", None),
    value("lost-lossless", "lines lost over ten cuts of a flood, lossless", "lines", Some(Bound::AtMost(0.0))),
    value("attach-rate", "attaches in a second, each token verified and spent", "1/s", None),
    value("attach-fan", "200 viewers of one session, lossless, together", "MB/s", None),
    value("memory-runner", "runner without its command, idle", "KB", Some(Bound::AtMost(6_000.0))),
    value("memory-history", "runner without its command, after 100 000 lines", "KB", Some(Bound::AtMost(16_384.0))),
    value("memory-socket", "gateway, for one idle socket", "KB", Some(Bound::AtMost(64.0))),
    value("scale-memory", "`podling up` with 1000 sessions and 5000 idle sockets", "MB", Some(Bound::AtMost(400.0))),
    value("scale-creates", "creates in a second on the way there", "1/s", None),
    value("scale-echoes", "keys answered in a second by each of them in turn", "1/s", None),
];

/// # Panics
/// When there is none of this name: names are written in this program alone.
pub(crate) fn entry(id: &str) -> &'static Entry {
    CATALOGUE.iter().find(|entry| entry.id == id).unwrap_or_else(|| panic!("no measure is called {id}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measure_has_a_name_of_its_own() {
        for entry in CATALOGUE {
            assert_eq!(CATALOGUE.iter().filter(|other| other.id == entry.id).count(), 1, "{}", entry.id);
        }
    }

    #[test]
    fn a_ratio_has_something_beside_it() {
        assert!(CATALOGUE.iter().all(|entry| entry.figure == Figure::Value || entry.beside.is_some()));
    }
}
