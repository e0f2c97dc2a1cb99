//! What the page makes of a live stream.

use podling_e2e::{
    browser,
    podling::{Podling, Session},
    proxy::Proxy,
};

/// A page in front of a prompt that is always the same.
async fn shell(podling: &Podling) -> Session {
    podling.run("PS1='$ ' exec bash --norc --noprofile").await
}

#[tokio::test]
async fn a_large_paste_keeps_to_its_credit_and_makes_way_for_ctrl_c() {
    browser::scenario("paste", &[]).await;
}

#[tokio::test]
async fn a_gap_keeps_the_screen_before_it_and_shows_and_saves_what_was_skipped() {
    browser::scenario("gaps", &[]).await;
}

#[tokio::test]
async fn a_late_page_scrolls_to_line_1_of_100_000_within_a_second() {
    let podling = Podling::start().await;
    let session = podling.run("seq 100000; sleep 600").await;
    podling.prints(&session.uid, "\n100000\r\n").await;
    println!("{}", browser::scenario("history", &[&session.terminal_url, &podling.url]).await);
}

#[tokio::test]
async fn a_page_slower_than_a_flood_marks_each_gap_and_shows_its_lines() {
    let podling = Podling::start().await;
    let command = "stty -echo; echo 'go?'; read go; seq 2000000; echo flooded; read x; echo got $x; sleep 600";
    let session = podling.run(command).await;
    println!("{}", browser::scenario("flood", &[&session.terminal_url, &podling.url, "2000000"]).await);
}

#[tokio::test]
async fn ctrl_c_in_the_page_ends_a_flood_at_once() {
    let podling = Podling::start().await;
    let session = shell(&podling).await;
    println!("{}", browser::scenario("interrupt", &[&session.terminal_url, &podling.url]).await);
}

#[tokio::test]
async fn a_reload_inside_a_full_screen_program_restores_both_screens() {
    let podling = Podling::start().await;
    let command = "stty -echo; seq -f 'line %g' 60; \
        printf '\\033[?1049h\\033[2J\\033[3;5H\\033[1;33mbig letters\\033[0m\\033[10;1Hpress a key\\033[5;7H'; \
        read -rn1 key; printf '\\033[?1049l'; echo later; echo left it; sleep 600";
    let session = podling.run(command).await;
    browser::scenario("fullscreen", &[&session.terminal_url, &podling.url]).await;
}

#[tokio::test]
async fn a_page_goes_on_across_every_cut_of_a_balancer() {
    let podling = Podling::start().await;
    let command = "stty -echo; echo 'go?'; read go; for n in $(seq 120); do echo line $n; sleep 0.05; done; read x; echo got $x; sleep 600";
    let session = podling.run(command).await;
    let balancer = Proxy::start(vec![podling.url.replace("http://", "")]).await;
    let origin = format!("http://{}", balancer.address);
    let url = session.terminal_url.replace(&podling.url, &origin);
    let cutting = async {
        for line in [20, 50, 80] {
            podling.prints(&session.uid, &format!("line {line}\r\n")).await;
            balancer.cut();
        }
    };
    let arguments = [url.as_str(), origin.as_str()];
    tokio::join!(browser::scenario("balancer", &arguments), cutting);
}

#[tokio::test]
async fn pages_of_different_size_show_the_same_screen() {
    let podling = Podling::start().await;
    // It looks by itself: of two SIGWINCH in a short time bash's trap may see one, and the size before the other.
    let command = "stty -echo -icanon; while :; do size=$(stty size); \
        [ \"$size\" = \"$drawn\" ] || printf '\\033[H\\033[2Jdrawn for %s\\r\\n' \"$size\"; \
        drawn=$size; read -rn1 -t 0.2 key; done";
    let session = podling.run(command).await;
    let token = podling.token(&session.uid).await;
    let other = format!("{}/ws/{}?token={token}", podling.url, session.uid);
    browser::scenario("sizes", &[&session.terminal_url, &other, &podling.url]).await;
}
