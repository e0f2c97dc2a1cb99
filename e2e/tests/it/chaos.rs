//! The faults of every run; `cargo xtask chaos` has all.

use podling_e2e::chaos::{cluster::Cluster, fault::Fault, trial};

const SESSIONS: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_loses_nothing_when_a_service_a_database_or_a_link_fails() {
    let mut cluster = Cluster::start().await.expect("two of each come up");
    for fault in Fault::SHORT {
        let outcome = trial(&mut cluster, fault, SESSIONS).await.expect("a trial can be held");
        assert!(outcome.broken.is_empty(), "{}: {:#?}\n{}", fault.title(), outcome.broken, cluster.logs());
    }
    cluster.end().await.expect("every service ends by itself");
}
