//! Whose window the terminal has.

use podling_proto::terminal::{Focus, Open, attach_request::Message};
use podling_session::{
    id::{AttachNonce, ViewerId},
    token::Scope,
};

use crate::{viewer::Viewer, world::Plan};

/// Tells the size whenever it is another.
const WATCH_SIZE: &str =
    r#"while true; do new=$(stty size); [ "$new" = "$old" ] || echo "$new"; old=$new; read -r -t 0.05 line; done"#;

#[tokio::test]
async fn the_program_sees_the_size_of_the_viewer_that_was_last_active() {
    let world = Plan::command(WATCH_SIZE).start().await;
    let (mut first, second) = (world.attach().await, world.attach().await);
    first.until_text("24 80").await;
    first.resize(30, 100).await;
    first.until_text("30 100").await;
    second.resize(3, 10).await; // Too small to be a terminal.
    second.resize(40, 120).await;
    second.send(Message::Focus(Focus {})).await;
    first.until_text("40 120").await;
    assert_eq!(first.sizes, [(30, 100), (40, 120)]);
    first.type_in("x").await;
    first.until(|viewer| viewer.text().matches("30 100").count() == 2).await;
    drop(first);
    let mut second = second;
    second.until(|viewer| viewer.text().matches("40 120").count() == 2).await;
    assert_eq!(second.sizes, [(30, 100), (40, 120), (30, 100), (40, 120)]);
    drop(second);
    let late = world.attach().await;
    assert_eq!(late.opened.size.map(|size| (size.rows, size.cols)), Some((24, 80)), "where the replay begins");
}

#[tokio::test]
async fn a_viewer_that_may_only_read_neither_types_nor_resizes() {
    let world = Plan::command("echo ready; cat").start().await;
    let grant = world.grant(ViewerId::new(), AttachNonce::random(), Scope::ReadOnly);
    let mut reader = Viewer::attach(&world, Open { grant, ..Viewer::lossless(None) }).await.expect("it attaches");
    reader.until_text("ready").await;
    reader.type_in("from the reader\r").await;
    reader.resize(50, 150).await;
    let writer = world.attach().await;
    writer.type_in("from the writer\r").await;
    reader.until(|viewer| viewer.text().matches("from the writer").count() == 2).await;
    assert!(!reader.text().contains("reader") && reader.sizes.is_empty(), "{}", reader.text());
}
