//! The contract of the stores: every rule is told once, and kept by each kind of store.

mod creating;
mod owning;
mod sqlite;
mod world;

/// A test for every rule, each against a fresh store.
macro_rules! contract {
    ($world:ident) => {
        crate::store::contract! { $world;
            creating::a_created_session_is_pending_and_found_by_id_and_uid,
            creating::an_id_is_taken_once_in_a_tenant,
            creating::another_sessions_uid_is_no_id,
            creating::of_50_creates_at_once_a_quota_of_10_admits_10,
            creating::a_tenant_has_a_quota_beside_its_owners,
            creating::what_was_refused_holds_no_quota_and_no_key,
            creating::a_repeated_request_gets_the_same_session,
            creating::a_repeat_counts_for_24_hours,
            creating::a_late_repeat_does_not_make_a_pruned_session_again,
            creating::of_20_equal_requests_at_once_one_makes_a_session,
            owning::sessions_of_others_are_not_found,
            owning::an_owner_stops_a_session_once,
            owning::a_deleted_session_is_hidden_and_its_id_free,
            owning::deleting_keeps_the_end_that_was,
            owning::pages_hold_every_session_once_the_youngest_first,
            owning::the_last_page_names_no_next,
            owning::lists_are_filtered_by_phase_and_by_every_label,
        }
    };
    ($world:ident; $($module:ident::$rule:ident),* $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        async fn $rule() {
            crate::store::$module::$rule($world().await).await;
        }
    )*};
}
use contract;
