//! What the demo looks like: lines for a given state and width. Nothing here knows a terminal.

use console::{Style, measure_text_width};

use crate::{
    fit::{cut, pad, wrap},
    plan::{AUDIT, DECLINED, QUESTION, ROWS, Row, STAGES, STEPS, State, TITLE},
};

const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
/// Wider boxes and bars are not easier to read.
const MAX_WIDTH: usize = 72;
/// Below this there is no room for a frame and a word.
const MIN_BOX: usize = 8;

/// The question's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Not in this run, or not yet.
    No,
    Open,
    Answered(bool),
}

/// All that a picture depends on beside the window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scene<'a> {
    /// Steps that are done.
    pub(crate) done: usize,
    pub(crate) asked: Asked,
    /// Counts the pictures; turns the spinners.
    pub(crate) tick: usize,
    /// What the audit said, in harmless lines.
    pub(crate) said: &'a str,
    pub(crate) failed: bool,
}

/// The picture, and which of its lines is the one to watch.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    pub(crate) lines: Vec<String>,
    pub(crate) focus: usize,
}

/// Draws a scene in colours. No line is wider than `width`.
pub(crate) fn picture(scene: &Scene<'_>, width: usize) -> Picture {
    let frame = paint().cyan();
    let mut lines: Vec<String> = boxed(TITLE, width, &frame, &paint().bold());
    lines.extend(
        ROWS[..STAGES].iter().filter(|row| row.state(scene.done) != State::Waiting).map(|row| line(row, scene)),
    );
    lines.extend(question(scene.asked));
    let mut focus = lines.len() - 1;
    if scene.done >= STAGES && matches!(scene.asked, Asked::No | Asked::Answered(true)) {
        for row in &ROWS[STAGES..] {
            lines.push(line(row, scene));
            if row.state(scene.done) == State::Running {
                focus = lines.len() - 1;
            }
            if row.steps.0 == AUDIT && row.state(scene.done) != State::Waiting {
                lines.extend(said(scene.said, 2 * (row.depth + 1), width));
                if scene.done == AUDIT {
                    focus = lines.len() - 1;
                }
            }
        }
    }
    if scene.done < STEPS && scene.asked != Asked::Open && scene.asked != Asked::Answered(false) {
        lines.push(bar(scene.done, width));
    }
    Picture { lines: lines.iter().map(|line| cut(line, width)).collect(), focus }
}

/// Colours that do not ask whether this process's own output is a terminal.
fn paint() -> Style {
    Style::new().force_styling(true)
}

fn line(row: &Row, scene: &Scene<'_>) -> String {
    let indent = " ".repeat(2 * row.depth);
    match row.state(scene.done) {
        State::Waiting => paint().dim().apply_to(format!("{indent}◌ {}", row.title)).to_string(),
        State::Running => {
            let sign = paint().magenta().apply_to(SPINNER[scene.tick % SPINNER.len()]);
            format!("{indent}{sign} {}", paint().bold().apply_to(row.title))
        }
        State::Done if scene.failed && row.holds(AUDIT) => {
            format!("{indent}{} {}", paint().red().apply_to("✖"), row.title)
        }
        State::Done => format!("{indent}{} {}", paint().green().apply_to("✔"), row.title),
    }
}

fn question(asked: Asked) -> Vec<String> {
    let text = format!("{} {}", paint().yellow().apply_to("?"), paint().bold().apply_to(QUESTION));
    match asked {
        Asked::No => vec![],
        Asked::Open => vec![format!("{text} ")],
        Asked::Answered(true) => vec![format!("{text} {}", paint().green().apply_to("yes"))],
        Asked::Answered(false) => {
            vec![format!("{text} {}", paint().red().apply_to("no")), paint().yellow().apply_to(DECLINED).to_string()]
        }
    }
}

/// A text in a frame of its own width, wrapped where the window is narrow.
pub(crate) fn boxed(text: &str, width: usize, frame: &Style, inside: &Style) -> Vec<String> {
    if width < MIN_BOX {
        return wrap(text, width);
    }
    let lines = wrap(text, width.min(MAX_WIDTH) - 4);
    let inner = lines.iter().map(|line| measure_text_width(line)).max().unwrap_or(0);
    let edge = "─".repeat(inner + 2);
    let side = frame.apply_to("│");
    let mut drawn = vec![frame.apply_to(format!("╭{edge}╮")).to_string()];
    drawn.extend(lines.iter().map(|line| format!("{side} {} {side}", inside.apply_to(pad(line, inner)))));
    drawn.push(frame.apply_to(format!("╰{edge}╯")).to_string());
    drawn
}

/// Lines below a row, indented, and wrapped at the same depth as they began.
fn said(text: &str, indent: usize, width: usize) -> Vec<String> {
    let mut drawn = vec![];
    for line in text.lines() {
        if line.trim_start().is_empty() {
            drawn.push(String::new());
            continue;
        }
        let own = measure_text_width(line) - measure_text_width(line.trim_start());
        let margin = (indent + own).min(width / 2);
        let wrapped = wrap(line, (width - margin).max(1));
        let space = " ".repeat(margin);
        drawn.extend(wrapped.iter().map(|part| format!("{space}{}", paint().dim().apply_to(part))));
    }
    drawn
}

fn bar(done: usize, width: usize) -> String {
    let percent = format!(" {:>3}%", 100 * done / STEPS);
    let room = width.min(MAX_WIDTH).saturating_sub(percent.len());
    let filled = room * done / STEPS;
    let (full, rest) = ("━".repeat(filled), "─".repeat(room - filled));
    format!("{}{}{percent}", paint().cyan().apply_to(full), paint().dim().apply_to(rest))
}

#[cfg(test)]
mod tests {
    use console::strip_ansi_codes;

    use super::*;

    fn scene(done: usize, asked: Asked) -> Scene<'static> {
        let said =
            "[mock] 漢字 and a_word_that_is_longer_than_narrow_windows\n\n    - a point\n      that goes on and on";
        Scene { done, asked, tick: done, said, failed: done % 2 == 1 }
    }

    fn text(picture: &Picture) -> String {
        strip_ansi_codes(&picture.lines.join("\n")).into_owned()
    }

    #[test]
    fn no_line_is_wider_than_the_window() {
        for width in 0..200 {
            for done in 0..=STEPS {
                for asked in [Asked::No, Asked::Open, Asked::Answered(true), Asked::Answered(false)] {
                    let picture = picture(&scene(done, asked), width);
                    assert!(picture.focus < picture.lines.len().max(1));
                    for line in &picture.lines {
                        assert!(measure_text_width(line) <= width, "{line:?} in {width}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_box_is_closed_at_every_width_that_has_room_for_one() {
        for width in MIN_BOX..200 {
            let lines = boxed(TITLE, width, &Style::new(), &Style::new());
            let widths: Vec<usize> = lines.iter().map(|line| measure_text_width(line)).collect();
            assert!(widths.iter().all(|found| *found == widths[0]), "{lines:#?}");
        }
    }

    #[test]
    fn a_run_ends_with_every_row_done_and_the_note_below_the_audit() {
        let end = text(&picture(&Scene { failed: false, ..scene(STEPS, Asked::No) }, 80));
        assert_eq!(end.matches('✔').count(), ROWS.len());
        assert!(end.contains("AI-SECURITY-AUDIT\n    [mock]"), "{end}");
        assert!(end.ends_with("✔ Restore Task State"), "{end}");
    }

    #[test]
    fn a_failed_audit_is_marked_with_the_groups_that_hold_it() {
        let end = text(&picture(&Scene { failed: true, ..scene(STEPS, Asked::No) }, 80));
        assert_eq!(end.matches('✖').count(), 2, "{end}");
        assert!(end.contains("✖ Run Workflows\n") && end.contains("✖ AI-SECURITY-AUDIT\n"), "{end}");
    }

    #[test]
    fn words_keep_their_lines_and_depth_and_are_what_is_watched() {
        let picture = picture(&scene(AUDIT, Asked::No), 40);
        let text = text(&picture);
        assert!(text.contains("\n    [mock] 漢字 and\n"), "{text}");
        assert!(text.contains("\n\n        - a point\n          that goes on and on\n"), "{text}");
        assert!(strip_ansi_codes(&picture.lines[picture.focus]).ends_with("on and on"), "{text}");
    }

    #[test]
    fn tasks_are_shown_after_the_answer() {
        assert!(text(&picture(&scene(STAGES, Asked::Open), 80)).ends_with("? Continue? [Y/n] "));
        assert!(text(&picture(&scene(STAGES, Asked::Answered(true)), 80)).contains("◌ Run Workflows"));
        assert!(text(&picture(&scene(STAGES, Asked::Answered(false)), 80)).ends_with(DECLINED));
    }
}
