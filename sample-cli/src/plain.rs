//! The demo as lines, each printed once: for pipes, logs, and people who want no motion.

use std::{io, time::Duration};

use console::Style;
use tokio::{io::AsyncWriteExt, time::sleep};

use crate::{
    ask,
    plan::{AUDIT, DECLINED, QUESTION, ROWS, STAGES, TITLE},
    terminal, view,
};

/// What the box and the note are fitted to; readers of plain lines wrap as they like.
const COLUMNS: usize = 80;

/// Whether the plan was carried out to its end.
pub(crate) async fn perform(step: Duration, note: &str, asks: bool) -> anyhow::Result<bool> {
    let plain = Style::new();
    print_lines(&view::boxed(TITLE, COLUMNS, &plain, &plain)).await?;
    for row in ROWS {
        if asks && row.steps.0 == STAGES && !agreed().await? {
            print(&format!("{DECLINED}\n")).await?;
            return Ok(false);
        }
        let indent = " ".repeat(2 * row.depth);
        if row.is_group() {
            print(&format!("{indent}▸ {}\n", row.title)).await?;
            continue;
        }
        sleep(step).await;
        print(&format!("{indent}✔ {}\n", row.title)).await?;
        if row.steps.0 == AUDIT {
            print(&format!("{indent}  {note}\n")).await?;
        }
    }
    Ok(true)
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
