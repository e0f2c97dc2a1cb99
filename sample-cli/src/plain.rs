//! The demo as lines, each printed once: for pipes, logs, and people who want no motion.

use std::io;

use console::Style;
use tokio::{io::AsyncWriteExt, time::sleep};

use crate::{
    args::RunArgs,
    ask,
    audit::{Audit, Piece, Speech},
    plan::{AUDIT, DECLINED, QUESTION, ROWS, STAGES, TITLE},
    terminal, view,
};

/// What the box and the note are fitted to; readers of plain lines wrap as they like.
const COLUMNS: usize = 80;

/// Whether the whole plan was carried out.
pub(crate) async fn perform(args: &RunArgs, audit: &mut Audit) -> anyhow::Result<bool> {
    let plain = Style::new();
    let mut succeeded = true;
    print_lines(&view::boxed(TITLE, COLUMNS, &plain, &plain)).await?;
    for row in ROWS {
        if args.ask && row.steps.0 == STAGES && !agreed().await? {
            print(&format!("{DECLINED}\n")).await?;
            return Ok(false);
        }
        let indent = " ".repeat(2 * row.depth);
        if row.is_group() || row.steps.0 == AUDIT {
            print(&format!("{indent}▸ {}\n", row.title)).await?;
        }
        if row.is_group() {
            continue;
        }
        if row.steps.0 == AUDIT {
            audit.begin(args.audit.clone());
            succeeded = attend(audit, 2 * (row.depth + 1)).await?;
        } else {
            sleep(args.step()).await;
        }
        let sign = if row.steps.0 == AUDIT && !succeeded { "✖" } else { "✔" };
        print(&format!("{indent}{sign} {}\n", row.title)).await?;
    }
    Ok(succeeded)
}

/// Prints what the audit says as it comes, and returns whether it succeeded.
async fn attend(audit: &mut Audit, indent: usize) -> io::Result<bool> {
    let mut speech = Speech::default();
    let mut margin = Margin { indent, at_start: true };
    let succeeded = loop {
        let new = match audit.next().await {
            Some(Piece::Text(text)) => speech.say(&text),
            Some(Piece::LineEnd) => speech.end_line(),
            Some(Piece::Note(note) | Piece::Again(note)) => speech.note(&note),
            Some(Piece::Ended(Err(error))) => {
                print(&margin.indented(speech.note(&error.explained()))).await?;
                break false;
            }
            Some(Piece::Ended(Ok(()))) | None => break true,
        };
        print(&margin.indented(new)).await?;
    };
    if !margin.at_start {
        print("\n").await?;
    }
    Ok(succeeded)
}

/// Keeps lines that come in pieces to the right of a margin.
struct Margin {
    indent: usize,
    at_start: bool,
}

impl Margin {
    fn indented(&mut self, text: &str) -> String {
        let mut indented = String::new();
        for letter in text.chars() {
            if self.at_start && letter != '\n' {
                indented.push_str(&" ".repeat(self.indent));
            }
            self.at_start = letter == '\n';
            indented.push(letter);
        }
        indented
    }
}

async fn agreed() -> anyhow::Result<bool> {
    print(&format!("{QUESTION} ")).await?;
    let agreed = ask::answer().await?;
    // A keyboard's echo has shown the answer and ended the line.
    if !terminal::has_keyboard() {
        print(if agreed { "yes\n" } else { "no\n" }).await?;
    }
    Ok(agreed)
}

async fn print_lines(lines: &[String]) -> io::Result<()> {
    print(&format!("{}\n", lines.join("\n"))).await
}

async fn print(text: &str) -> io::Result<()> {
    let mut output = tokio::io::stdout();
    output.write_all(text.as_bytes()).await?;
    output.flush().await
}
