//! What both terminals get at the end: it brings to light what no screen shows.

/// A name, and what is written. Each goes on from where the one before left.
pub(crate) const CONTINUATION: [(&str, &[u8]); 16] = [
    ("after a combining character", "\u{301}".as_bytes()),
    ("after a repetition", b"\x1b[3b"),
    ("after a letter", b"x"),
    ("after a saved cursor", b"\x1b8y"),
    ("after leaving the alternate screen", b"\x1b[?1049ly"),
    ("after another saved cursor", b"\x1b8z\r\n"),
    ("after tabs", b"\r\tt\tt\tt\x1b[Zs"),
    ("after each charset", b"\x0eqx\x0fqx\x1bnqx\x1boqx\x0f"),
    ("after scrolling", b"\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\nbelow"),
    ("after scrolling back", b"\x1b[H\x1bM\x1bM\x1bMabove"),
    ("after the origin", b"\x1b[?6h\x1b[Horigin\x1b[?6l\x1b[Hno origin"),
    ("after entering the alternate screen", b"\x1b[?1049halt\x1b[10;10Halt"),
    ("after backspaces", b"\x08\x08\x08\x08\x08\x08\x08\x08\x08\x08\x08\x08b"),
    ("after selective erasure", b"\x1b[?2J\x1b[?1049l\x1b[?2J"),
    ("after a soft reset", b"\x1b[!ps\x1b8soft"),
    (
        "after reset modes",
        b"\x1b[4;20l\x1b[?1;6;9;12;45;66;1000;1002;1003;1004;1006;1016;2004;2026l\x1b[?7;25h\x1b[r\x1b[mend",
    ),
];
