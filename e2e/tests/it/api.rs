//! The API as it describes itself: to people, and to programs that make their requests from the description.

use podling_e2e::{browser::scenario, podling::Podling};

#[tokio::test]
async fn the_pages_of_docs_show_every_operation_and_load_nothing_from_elsewhere() {
    let podling = Podling::start().await;
    scenario("docs", &[&podling.url]).await;
}
