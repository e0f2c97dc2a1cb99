//! Users of Firebase: its real emulator, its real SDK in Chromium, and the page that front ends copy.

use podling_e2e::{
    browser,
    firebase::{Emulator, PROJECT},
    form::Form,
    podling::Podling,
};
use podling_servers::free_port;

#[tokio::test]
async fn users_sign_up_in_the_example_see_their_own_terminal_and_get_404_on_anothers() {
    let emulator = Emulator::start().await;
    let (port, host) = (free_port().to_string(), emulator.host.as_str());
    let origin = format!("http://127.0.0.1:{port}");
    let emulated = ["--firebase-project", PROJECT, "--firebase-emulator", host, "--allow-origin", &origin];
    let podling = Podling::start_with(&emulated).await;
    let said = browser::scenario("firebase", &[&port, &podling.url, &format!("http://{host}")]).await;
    let token = said.lines().find_map(|line| line.strip_prefix("token ")).expect("the scenario tells a token");
    let status = async |podling: &Podling| {
        let asked = podling.http.get(format!("{}/api/sessions", podling.url)).bearer_auth(token).send();
        asked.await.expect("it answers").status().as_u16()
    };
    assert_eq!(status(&podling).await, 200);
    // Where the emulator is not named, nobody believes its tokens.
    let real = Podling::start_in(Form::Embedded, &["--firebase-project", PROJECT]).await;
    assert_eq!(status(&real).await, 401);
    let without = Podling::start_in(Form::Embedded, &[]).await;
    assert_eq!(status(&without).await, 401);
}
