//! What a person sees while a folder is packed and sent; nothing where nobody looks.

use std::{io::IsTerminal, time::Duration};

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{
    pack::{Contents, Packed},
    upload::Uploaded,
};

/// Redrawn this often.
const TICK: Duration = Duration::from_millis(100);

pub(super) struct Progress {
    bar: ProgressBar,
    quiet: bool,
}

impl Progress {
    /// On standard error, which must be a terminal to be drawn on.
    pub(super) fn new(quiet: bool) -> Progress {
        let drawn = !quiet && std::io::stderr().is_terminal();
        let target = if drawn { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        bar.set_style(ProgressStyle::with_template("{spinner} packing: {msg}").expect("the template is well formed"));
        bar.enable_steady_tick(TICK);
        Progress { bar, quiet }
    }

    pub(super) fn packing(&self, contents: Contents) {
        self.bar.set_message(format!("{} files, {}", contents.entries, HumanBytes(contents.bytes)));
    }

    pub(super) fn begin_upload(&self, bytes: u64) {
        let template = "{spinner} uploading: {bytes} of {total_bytes}, {bytes_per_sec} [{bar:20}]";
        self.bar.set_style(ProgressStyle::with_template(template).expect("the template is well formed"));
        self.bar.set_length(bytes);
        self.bar.reset();
    }

    pub(super) fn sent(&self, offset: u64) {
        self.bar.set_position(offset);
    }

    /// One line of what was done.
    pub(super) fn done(&self, packed: &Packed, uploaded: Uploaded) {
        self.bar.finish_and_clear();
        let (files, bytes) = (packed.contents.entries, HumanBytes(packed.bytes));
        self.say(&match uploaded.sent_bytes {
            0 => format!("{files} files ({bytes} packed) are there already"),
            sent => format!("{files} files ({bytes} packed), {} uploaded", HumanBytes(sent)),
        });
    }

    pub(super) fn say(&self, text: &str) {
        if !self.quiet {
            self.bar.suspend(|| eprintln!("[podling] {text}"));
        }
    }
}
