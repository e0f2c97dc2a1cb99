//! The page alone, against a server that the scenario plays to the byte.

use podling_e2e::browser;

#[tokio::test]
async fn a_large_paste_keeps_to_its_credit_and_makes_way_for_ctrl_c() {
    browser::scenario("paste", &[]).await;
}
