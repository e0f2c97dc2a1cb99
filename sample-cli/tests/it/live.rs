//! On a PTY: what a person would see.

use rustix::process::Signal;

use crate::{pty::Terminal, screen::Screen};

const QUICK: (&str, &str) = ("SAMPLE_STEP_MILLIS", "30");
/// Longer than any test waits: the picture stands still.
const STANDING: (&str, &str) = ("SAMPLE_STEP_MILLIS", "60000");

const END: &str = "\
✔ Prepare Workspace
✔ Generate Glossaries
✔ Consolidate API Docs
✔ Fetch Task (demo)
✔ Run Workflows
  ✔ AI-IMPLEMENT
    ✔ Preparing branch
    ✔ Implementing code
    ✔ Running tests
  ✔ AI-CREATE-PRD
    ✔ Assembling PRD
    ✔ Uploading PRD
  ✔ AI-SECURITY-AUDIT
    [mock]";

#[test]
fn a_run_is_drawn_over_itself_in_colours() {
    let (status, output, echoes) = Terminal::start(40, 80, &["run"], &[QUICK, ("CLAUDE_PROMPT", "漢")]).wait();
    assert_eq!(status.code(), Some(0));
    for part in ["\x1b[32m✔", "\x1b[35m⠙", "A\r\x1b[J"] {
        assert!(output.contains(part), "{part:?}");
    }
    let screen = Screen::of(&output, 80);
    let box_and_end = format!("│ Root Workflow - Stage-wise demo │\n╰─────────────────────────────────╯\n{END}");
    assert!(screen.text().contains(&box_and_end), "{}", screen.text());
    assert!(screen.text().ends_with("✔ Restore Task State\n"), "{}", screen.text());
    assert_eq!(screen.text().matches("Root Workflow").count(), 1, "{}", screen.text());
    assert!(!screen.cursor_hidden && echoes);
}

#[test]
fn no_window_is_too_small() {
    let prompt = ("CLAUDE_PROMPT", "a prompt that is longer than a narrow window is wide");
    for (rows, columns, width) in
        [(0, 0, 80), (50, 20, 20), (24, 7, 7), (24, 1, 1), (3, 40, 40), (1, 1, 1), (60, 200, 200)]
    {
        let (status, output, _) = Terminal::start(rows, columns, &["run"], &[QUICK, prompt]).wait();
        assert_eq!(status.code(), Some(0), "{rows}x{columns}: {output}");
        let screen = Screen::of(&output, width);
        if columns >= 20 || columns == 0 {
            assert!(screen.text().contains("✔ Fetch Task (demo)\n"), "{rows}x{columns}: {}", screen.text());
            assert!(screen.text().contains("╭───"), "{rows}x{columns}: {}", screen.text());
        }
    }
}

#[test]
fn a_resize_is_followed_at_once() {
    let mut terminal = Terminal::start(40, 80, &["run", "--ask"], &[("SAMPLE_STEP_MILLIS", "1")]);
    let wide = terminal.wait_for("Continue?", 0);
    terminal.resize(40, 20);
    let box_of_20 = format!("╭{}╮", "─".repeat(17));
    terminal.wait_for(&box_of_20, wide);
    let (from, _) = (terminal.wait_for("Continue?", wide), terminal.type_in("y"));
    terminal.wait_for("Restore Task State", from);
    assert_eq!(terminal.wait().0.code(), Some(0));
}

#[test]
fn a_question_takes_one_key_which_is_not_echoed() {
    for (key, code, answer) in [("y", 0, "yes"), ("\r", 0, "yes"), ("xn", 1, "no"), ("\x04", 1, "no")] {
        let mut terminal = Terminal::start(40, 80, &["run", "--ask"], &[("SAMPLE_STEP_MILLIS", "1")]);
        terminal.wait_for("Continue? [Y/n]", 0);
        terminal.wait_for("\x1b[?25h", 0);
        assert!(!terminal.echoes());
        terminal.type_in(key);
        let (status, output, echoes) = terminal.wait();
        assert_eq!(status.code(), Some(code), "{output}");
        let screen = Screen::of(&output, 80);
        assert!(screen.text().contains(&format!("? Continue? [Y/n] {answer}\n")), "{}", screen.text());
        assert_eq!(screen.text().contains("Restore Task State"), code == 0);
        assert!(echoes && !screen.cursor_hidden);
    }
}

#[test]
fn a_signal_ends_the_run_and_gives_the_terminal_back() {
    let check = |stop: fn(&mut Terminal), code: i32| {
        let mut terminal = Terminal::start(40, 80, &["run"], &[STANDING]);
        terminal.wait_for("Prepare Workspace", 0);
        stop(&mut terminal);
        let (status, output, echoes) = terminal.wait();
        assert_eq!(status.code(), Some(code), "{output}");
        assert!(output.ends_with("\x1b[0m\x1b[?25h\r\n"), "{output:?}");
        assert!(echoes);
    };
    check(|terminal| terminal.signal(Signal::TERM), 143);
    check(|terminal| terminal.signal(Signal::HUP), 129);
    check(|terminal| terminal.type_in("\x03"), 130);
}

#[test]
fn a_signal_ends_a_run_whose_output_is_held() {
    let mut terminal = Terminal::start(40, 80, &["run"], &[STANDING]);
    terminal.wait_for("Prepare Workspace", 0);
    terminal.type_in("\x13"); // Ctrl-S
    terminal.signal(Signal::TERM);
    assert_eq!(terminal.wait().0.code(), Some(143));
}

#[test]
fn without_colours_or_a_capable_terminal_lines_are_plain() {
    let check = |args: &[&str], env: (&str, &str)| {
        let (status, output, _) = Terminal::start(40, 80, args, &[("SAMPLE_STEP_MILLIS", "1"), env]).wait();
        assert_eq!(status.code(), Some(0));
        assert!(!output.contains('\x1b'), "{output:?}");
        assert!(output.ends_with("✔ Restore Task State\r\n"), "{output:?}");
    };
    check(&["run", "--plain"], ("A", "b"));
    check(&["run"], ("NO_COLOR", "1"));
    check(&["run"], ("TERM", "dumb"));
    let (_, output, _) = Terminal::start(40, 80, &["run"], &[("SAMPLE_STEP_MILLIS", "1"), ("NO_COLOR", "")]).wait();
    assert!(output.contains('\x1b'), "an empty NO_COLOR says nothing");
}
