//! The demo on a terminal: one picture, drawn over itself.
//!
//! A picture is written in one piece and ends on its last line, where the cursor stays. Before the next one the cursor
//! goes up by as many rows as the last one takes in the window of now: terminals wrap long lines anew on a resize.

use std::{io, time::Duration};

use console::measure_text_width;
use tokio::{
    io::AsyncWriteExt,
    signal::unix::{Signal, SignalKind, signal},
    time::{Instant, Interval, MissedTickBehavior, interval, sleep_until},
};

use crate::{
    args::RunArgs,
    ask,
    audit::{Audit, Piece, Speech},
    plan::{AUDIT, STAGES, STEPS},
    terminal::{Window, window},
    view::{Asked, Picture, Scene, picture},
};

/// Twelve pictures a second: smooth enough for a spinner.
const TICK: Duration = Duration::from_millis(80);

const HIDE_CURSOR: &str = "\x1b[?25l";
const SHOW_CURSOR: &str = "\x1b[?25h";
const CLEAR_BELOW: &str = "\x1b[J";
const PLAIN_TEXT: &str = "\x1b[0m";

/// Whether the whole plan was carried out.
pub(crate) async fn perform(args: &RunArgs, audit: &mut Audit) -> anyhow::Result<bool> {
    let mut show = Show::new()?;
    while show.done < STEPS {
        if args.ask && show.done == STAGES && !show.ask().await? {
            show.draw_whole().await?;
            return Ok(false);
        }
        if show.done == AUDIT {
            audit.begin(args.audit.clone());
            show.attend(audit).await?;
        } else {
            show.play_until(Instant::now() + args.step()).await?;
        }
        show.done += 1;
    }
    show.draw_whole().await?;
    Ok(!show.failed)
}

/// Gives the terminal back: below the picture, with its cursor, in plain text.
pub(crate) async fn restore() -> io::Result<()> {
    write(&format!("{PLAIN_TEXT}{SHOW_CURSOR}\n")).await
}

struct Show {
    /// Steps that are done.
    done: usize,
    asked: Asked,
    tick: usize,
    /// What the audit said.
    speech: Speech,
    failed: bool,
    /// The widths of the lines on the screen.
    drawn: Vec<usize>,
    resized: Signal,
    ticks: Interval,
}

impl Show {
    fn new() -> io::Result<Show> {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        Ok(Show {
            done: 0,
            asked: Asked::No,
            tick: 0,
            speech: Speech::default(),
            failed: false,
            drawn: vec![],
            resized: signal(SignalKind::window_change())?,
            ticks,
        })
    }

    async fn play_until(&mut self, end: Instant) -> io::Result<()> {
        loop {
            tokio::select! {
                _ = self.ticks.tick() => self.tick += 1,
                _ = self.resized.recv() => {}
                () = sleep_until(end) => return Ok(()),
            }
            self.draw().await?;
        }
    }

    /// Shows what the audit says, until its end. Words are drawn with the next tick: there may be many a second.
    async fn attend(&mut self, audit: &mut Audit) -> io::Result<()> {
        loop {
            tokio::select! {
                _ = self.ticks.tick() => self.tick += 1,
                _ = self.resized.recv() => {}
                piece = audit.next() => match piece {
                    Some(Piece::Ended(Ok(()))) | None => return Ok(()),
                    Some(Piece::Ended(Err(error))) => {
                        self.failed = true;
                        self.speech.note(&error.explained());
                        return Ok(());
                    }
                    Some(piece) => {
                        self.hear(piece);
                        continue;
                    }
                },
            }
            self.draw().await?;
        }
    }

    async fn ask(&mut self) -> io::Result<bool> {
        self.asked = Asked::Open;
        self.draw().await?;
        let answer = ask::answer();
        tokio::pin!(answer);
        let agreed = loop {
            tokio::select! {
                answered = &mut answer => break answered?,
                _ = self.resized.recv() => self.draw().await?,
            }
        };
        self.asked = Asked::Answered(agreed);
        Ok(agreed)
    }

    fn hear(&mut self, piece: Piece) {
        match piece {
            Piece::Text(text) => _ = self.speech.say(&text),
            Piece::LineEnd => _ = self.speech.end_line(),
            Piece::Note(note) => _ = self.speech.note(&note),
            Piece::Again(why) => {
                self.speech.restart();
                self.speech.note(&why);
            }
            Piece::Ended(_) => {}
        }
    }

    fn scene(&self) -> Scene<'_> {
        Scene { done: self.done, asked: self.asked, tick: self.tick, said: self.speech.text(), failed: self.failed }
    }

    async fn draw(&mut self) -> io::Result<()> {
        let window = window();
        let lines = visible(picture(&self.scene(), window.columns), window.rows);
        self.replace(lines, window).await
    }

    /// The last picture stays, so it is drawn to its full height, whatever scrolls away.
    async fn draw_whole(&mut self) -> io::Result<()> {
        let window = window();
        self.replace(picture(&self.scene(), window.columns).lines, window).await
    }

    async fn replace(&mut self, lines: Vec<String>, window: Window) -> io::Result<()> {
        let cursor = if self.asked == Asked::Open { SHOW_CURSOR } else { HIDE_CURSOR };
        let up = up(rows_taken(&self.drawn, window.columns).saturating_sub(1));
        write(&format!("{HIDE_CURSOR}{up}\r{CLEAR_BELOW}{}{cursor}", lines.join("\n"))).await?;
        self.drawn = lines.iter().map(|line| measure_text_width(line)).collect();
        Ok(())
    }
}

/// As many lines as the window has rows, around the one to watch: what has scrolled away cannot be drawn over.
fn visible(picture: Picture, rows: usize) -> Vec<String> {
    let hidden = picture.lines.len().saturating_sub(rows);
    let first = picture.focus.saturating_sub(rows / 2).min(hidden);
    picture.lines.into_iter().skip(first).take(rows).collect()
}

/// The rows that lines of these widths take after a terminal has wrapped them.
fn rows_taken(widths: &[usize], columns: usize) -> usize {
    widths.iter().map(|width| width.div_ceil(columns.max(1)).max(1)).sum()
}

/// Up 0 would be up 1 (ECMA-48, 8.3.22).
fn up(rows: usize) -> String {
    if rows == 0 { String::new() } else { format!("\x1b[{rows}A") }
}

async fn write(text: &str) -> io::Result<()> {
    let mut output = tokio::io::stdout();
    output.write_all(text.as_bytes()).await?;
    output.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_take_the_rows_that_a_narrower_window_wraps_them_to() {
        assert_eq!(rows_taken(&[0, 10, 20, 21], 20), 5);
        assert_eq!(rows_taken(&[0, 10, 20, 21], 10), 7);
        assert_eq!(rows_taken(&[5], 0), 5);
    }

    #[test]
    fn a_low_window_shows_the_lines_around_the_one_to_watch() {
        let check = |focus: usize, rows: usize, first: usize, count: usize| {
            let lines = (0..10).map(|number| number.to_string()).collect();
            let shown = visible(Picture { lines, focus }, rows);
            assert_eq!((shown[0].clone(), shown.len()), (first.to_string(), count), "{focus} in {rows}");
        };
        check(0, 24, 0, 10);
        check(9, 10, 0, 10);
        check(0, 4, 0, 4);
        check(5, 4, 3, 4);
        check(9, 4, 6, 4);
        check(9, 1, 9, 1);
    }
}
