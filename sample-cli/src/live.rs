//! The demo on a terminal: one picture, drawn over itself.
//!
//! A picture is written in one piece and ends on its last line, where the cursor stays. Before the next one the cursor
//! goes up by as many rows as the last one takes in the window of now: terminals wrap long lines anew on a resize.

use std::{io, time::Duration};

use console::measure_text_width;
use tokio::{
    io::AsyncWriteExt,
    signal::unix::{Signal, SignalKind, signal},
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};

use crate::{
    ask,
    plan::{STAGES, STEPS},
    terminal::{Window, window},
    view::{Asked, Picture, Scene, picture},
};

/// Twelve pictures a second: smooth enough for a spinner.
const TICK: Duration = Duration::from_millis(80);

const HIDE_CURSOR: &str = "\x1b[?25l";
const SHOW_CURSOR: &str = "\x1b[?25h";
const CLEAR_BELOW: &str = "\x1b[J";
const PLAIN_TEXT: &str = "\x1b[0m";

/// Whether the plan was carried out to its end.
pub(crate) async fn perform(step: Duration, note: &str, asks: bool) -> anyhow::Result<bool> {
    let mut show = Show {
        scene: Scene { done: 0, asked: Asked::No, tick: 0, note },
        drawn: vec![],
        resized: signal(SignalKind::window_change())?,
    };
    while show.scene.done < STEPS {
        if asks && show.scene.done == STAGES && !show.ask().await? {
            show.draw_whole().await?;
            return Ok(false);
        }
        show.play_until(Instant::now() + step).await?;
        show.scene.done += 1;
    }
    show.draw_whole().await?;
    Ok(true)
}

/// Gives the terminal back: below the picture, with its cursor, in plain text.
pub(crate) async fn restore() -> io::Result<()> {
    write(&format!("{PLAIN_TEXT}{SHOW_CURSOR}\n")).await
}

struct Show<'a> {
    scene: Scene<'a>,
    /// The widths of the lines on the screen.
    drawn: Vec<usize>,
    resized: Signal,
}

impl Show<'_> {
    async fn play_until(&mut self, end: Instant) -> io::Result<()> {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                _ = ticks.tick() => self.scene.tick += 1,
                _ = self.resized.recv() => {}
                () = sleep_until(end) => return Ok(()),
            }
            self.draw().await?;
        }
    }

    async fn ask(&mut self) -> io::Result<bool> {
        self.scene.asked = Asked::Open;
        self.draw().await?;
        let answer = ask::answer();
        tokio::pin!(answer);
        let agreed = loop {
            tokio::select! {
                answered = &mut answer => break answered?,
                _ = self.resized.recv() => self.draw().await?,
            }
        };
        self.scene.asked = Asked::Answered(agreed);
        Ok(agreed)
    }

    async fn draw(&mut self) -> io::Result<()> {
        let window = window();
        let lines = visible(picture(&self.scene, window.columns), window.rows);
        self.replace(lines, window).await
    }

    /// The last picture stays, so it is drawn to its full height, whatever scrolls away.
    async fn draw_whole(&mut self) -> io::Result<()> {
        let window = window();
        self.replace(picture(&self.scene, window.columns).lines, window).await
    }

    async fn replace(&mut self, lines: Vec<String>, window: Window) -> io::Result<()> {
        let cursor = if self.scene.asked == Asked::Open { SHOW_CURSOR } else { HIDE_CURSOR };
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
