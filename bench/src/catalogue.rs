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
const COMMANDS: Option<&str> = Some("their SQL and Redis commands alone");
const FOLLOWED: Option<&str> = Some("raw PTY that feeds an emulator");

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

const NONE: Option<Bound> = Some(Bound::AtMost(0.0));
const NEAR: Option<Bound> = Some(Bound::AtLeast(0.95));

/// What one command measures, and one page of docs/ shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    Terminal,
    Replicas,
}

/// Measures that are read together.
pub(crate) struct Group {
    pub(crate) page: Page,
    pub(crate) title: &'static str,
    /// For readers of the page.
    pub(crate) about: &'static str,
    pub(crate) entries: &'static [Entry],
}

pub(crate) const BULK: &str = "Bulk";

const GROUPS: &[Group] = &[
    Group {
        page: Page::Terminal,
        title: BULK,
        about: "A command prints 64 MB of text, `seq 1 5000000`, or 64 MB of what htop and less drew, from the first byte \
                to the last that the viewer has. `live` is what a page asks for, `lossless` what logs and pipes do. Beside \
                it one thread reads a PTY and throws all away; and once that thread also feeds our emulator on another.",
        entries: &[
            ratio("bulk-text-live", "text, live", "MB/s", RAW, NEAR),
            ratio("bulk-seq-live", "`seq`, live", "MB/s", RAW, NEAR),
            ratio("bulk-tui-live", "full screens, live", "MB/s", RAW, NEAR),
            ratio("bulk-text-lossless", "text, lossless", "MB/s", RAW, NEAR),
            ratio("bulk-seq-lossless", "`seq`, lossless", "MB/s", RAW, NEAR),
            ratio("bulk-tui-lossless", "full screens, lossless", "MB/s", RAW, NEAR),
            value("bulk-skipped", "left out by live, and said so", "bytes", NONE),
            ratio("followed-text", "text, live", "MB/s", FOLLOWED, None),
            ratio("followed-seq", "`seq`, live", "MB/s", FOLLOWED, None),
            ratio("followed-tui", "full screens, live", "MB/s", FOLLOWED, None),
        ],
    },
    Group {
        page: Page::Terminal,
        title: "Processor time",
        about: "Of server and runner together for one GB, emulator, log and both hops included. The measuring viewer's own \
                limit is far above all rates.",
        entries: &[
            value("cpu-text", "text", "s/GB", None),
            value("cpu-seq", "`seq`", "s/GB", None),
            value("cpu-tui", "full screens", "s/GB", None),
            value("client", "what the viewer could take", "MB/s", None),
        ],
    },
    Group {
        page: Page::Terminal,
        title: "From a key to its echo",
        about: "One byte to a `cat` on a raw terminal and back. The flood is another session's, and its viewer takes all of it.",
        entries: &[
            ratio("echo-p50", "key to echo, median", "us", RAW, Some(Bound::AtMost(3.0))),
            ratio("echo-p99", "key to echo, 99th percentile", "us", Some("own median"), Some(Bound::AtMost(2.0))),
            ratio("echo-flood", "beside a flood, median", "us", Some("own idle median"), Some(Bound::AtMost(1.5))),
            ratio("echo-flood-raw", "raw PTY beside a flood, median", "us", Some("its idle median"), None),
        ],
    },
    Group {
        page: Page::Terminal,
        title: "Ctrl-C",
        about: "`yes` floods for 0.7 s, the viewer reads 2 MB/s; from Ctrl-C until it has the prompt.",
        entries: &[Entry {
            id: "interrupt",
            title: "Ctrl-C to the prompt",
            unit: "ms",
            beside: RAW,
            figure: Figure::Value,
            goal: Some(Bound::AtMost(50.0)),
        }],
    },
    Group {
        page: Page::Terminal,
        title: "Create",
        about: "From the request for a session to the first byte that its shell prints, token and attach included. Warm takes a \
                runner from the pool that is kept by default; cold makes sandbox and runner first.",
        entries: &[
            ratio("create-warm", "create, warm", "ms", Some("raw PTY spawn"), Some(Bound::AtMost(3.0))),
            ratio("create-cold", "create, cold", "ms", Some("plain bwrap spawn"), Some(Bound::AtMost(3.0))),
        ],
    },
    Group {
        page: Page::Terminal,
        title: "Reconnects",
        about: "Numbered lines flood at full speed and the connection is cut ten times at random; each byte is compared.",
        entries: &[
            value("lost", "lines lost, live", "lines", NONE),
            value("lost-skipped", "lines left out by live, and said so", "lines", None),
            value("lost-lossless", "lines lost, lossless", "lines", NONE),
        ],
    },
    Group {
        page: Page::Terminal,
        title: "Many viewers, and late ones",
        about: "200 viewers of one session attach, eight at a time, each with a token that is verified and spent; then all of \
                them get the same output. A late one asks for a history of 100 000 lines of 80 characters.",
        entries: &[
            value("attach-rate", "attaches in a second", "1/s", None),
            value("attach-fan", "200 lossless viewers, together", "MB/s", None),
            value("join", "100 000 lines for a late viewer", "ms", Some(Bound::AtMost(1_000.0))),
        ],
    },
    Group {
        page: Page::Terminal,
        title: "Memory",
        about: "Proportional set size. Ten viewers that take nothing watch a flood; what server and runner grow by is divided \
                by ten.",
        entries: &[
            value("memory-runner", "idle runner without its command", "KB", Some(Bound::AtMost(6_000.0))),
            value("memory-history", "runner after 100 000 lines", "KB", Some(Bound::AtMost(16_384.0))),
            value("memory-socket", "gateway, for an idle socket", "KB", Some(Bound::AtMost(64.0))),
            value("stalled", "for a stalled viewer of a flood", "KB", Some(Bound::AtMost(1_024.0))),
        ],
    },
    Group {
        page: Page::Terminal,
        title: "Scale",
        about: "1000 sessions on one `podling up`, and 5000 sockets that hear nothing; then each socket types and is answered.",
        entries: &[
            value("scale-memory", "`podling up`, all of it", "MB", Some(Bound::AtMost(400.0))),
            value("scale-creates", "creates in a second on the way", "1/s", None),
            value("scale-echoes", "keys answered in a second", "1/s", None),
            value("idle", "of 50 sockets, how many answer after ten idle minutes", "", Some(Bound::AtLeast(50.0))),
        ],
    },
    Group {
        page: Page::Terminal,
        title: "ttyd",
        about: "The same through the one hop of ttyd, where one is on the PATH.",
        entries: &[
            ratio("ttyd-text", "ttyd: text", "MB/s", RAW, None),
            ratio("ttyd-seq", "ttyd: `seq`", "MB/s", RAW, None),
            ratio("ttyd-tui", "ttyd: full screens", "MB/s", RAW, None),
            ratio("ttyd-echo", "ttyd: key to echo, median", "us", RAW, None),
            ratio("ttyd-interrupt", "ttyd: Ctrl-C to the prompt", "ms", RAW, None),
            ratio("ttyd-create", "ttyd: create", "ms", Some("raw PTY spawn"), None),
        ],
    },
    Group {
        page: Page::Replicas,
        title: "Creates",
        about: "`POST /api/sessions` until its answer, by 16 callers at once, each with a connection that stays open. Runners are \
                not launched: the rows are made due in an hour. Beside it the statements of a create by 16 connections to the \
                same Postgres (which does not wait for the disk on either side), prepared, and the script of the rate \
                limiter. A create also signs a token, and its commit wakes every controller.",
        entries: &[
            ratio("creates-one", "one controller", "1/s", COMMANDS, None),
            ratio("creates-two", "two controllers", "1/s", COMMANDS, None),
            ratio("creates-scale", "two controllers", "1/s", Some("one"), None),
        ],
    },
    Group {
        page: Page::Replicas,
        title: "Token redeems",
        about: "A token is asked for and spent: `POST /api/sessions/{id}/token`, then the upgrade of a WebSocket to a running \
                session until its resume frame, by 16 callers at once. On the way a token is signed (RS256) and checked twice, a connection \
                opened, and a stream at the runner begun. Beside it the statements of both and `SET NX GET EX`.",
        entries: &[
            ratio("redeems-one", "one controller and one gateway", "1/s", COMMANDS, None),
            ratio("redeems-two", "two of each", "1/s", COMMANDS, None),
            ratio("redeems-scale", "two of each", "1/s", Some("one of each"), None),
        ],
    },
];

/// Every group of a page, in the order in which they are shown.
pub(crate) fn groups(page: Page) -> impl Iterator<Item = &'static Group> {
    GROUPS.iter().filter(move |group| group.page == page)
}

/// Every measure, in the order in which they are shown.
pub(crate) fn catalogue() -> impl Iterator<Item = &'static Entry> {
    GROUPS.iter().flat_map(|group| group.entries)
}

/// # Panics
/// When there is none of this name: names are written in this program alone.
pub(crate) fn entry(id: &str) -> &'static Entry {
    catalogue().find(|entry| entry.id == id).unwrap_or_else(|| panic!("no measure is called {id}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measure_has_a_name_of_its_own() {
        for entry in catalogue() {
            assert_eq!(catalogue().filter(|other| other.id == entry.id).count(), 1, "{}", entry.id);
        }
    }

    #[test]
    fn a_ratio_has_something_beside_it() {
        assert!(catalogue().all(|entry| entry.figure == Figure::Value || entry.beside.is_some()));
    }
}
