//! The contract of the stores: every rule is told once, and kept by each kind of store.

mod auditing;
mod creating;
mod keys;
mod limiting;
mod living;
mod operating;
mod ordering;
mod owning;
mod pooling;
mod postgres;
mod sharing;
mod sqlite;
mod sweeping;
mod telling;
mod working;
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
            owning::an_admin_of_the_tenant_reaches_the_sessions_of_all_its_owners,
            owning::an_owner_stops_a_session_once,
            owning::a_deleted_session_is_hidden_and_its_id_free,
            owning::deleting_keeps_the_end_that_was,
            owning::pages_hold_every_session_once_the_youngest_first,
            owning::the_last_page_names_no_next,
            owning::lists_are_filtered_by_phase_and_by_every_label,
            working::a_new_session_is_to_be_launched_and_the_oldest_first,
            working::of_20_claims_at_once_each_gets_another_session,
            working::a_lease_runs_out_and_another_takes_the_work,
            working::work_that_is_given_back_waits_as_long_as_was_said,
            working::a_lease_that_was_lost_gives_back_no_other,
            working::one_leads_until_its_lease_runs_out_or_it_resigns,
            working::a_launched_session_has_no_work_until_it_ends,
            working::a_session_that_ends_while_it_is_launched_is_released_after_the_launch,
            working::a_slow_launch_does_not_take_the_lease_of_the_release,
            working::a_session_is_released_once_and_only_after_its_end,
            working::of_20_releases_at_once_one_lowers_the_quota,
            working::every_waiter_hears_of_a_change_after_it_asked,
            living::a_session_goes_through_its_stages_to_its_end,
            living::a_session_is_launched_once,
            living::another_incarnation_changes_nothing,
            living::a_session_ends_once_and_its_secrets_go_with_it,
            living::an_end_keeps_its_own_words,
            living::a_beat_moves_activity_forward_only,
            living::a_beat_tells_viewers_and_log,
            living::of_many_beats_those_that_do_not_go_on_are_named,
            living::the_feed_tells_every_event_once_and_in_order,
            living::a_runner_of_an_ended_session_is_told,
            living::a_runner_registers_with_one_certificate_until_its_credential_is_used,
            living::an_unknown_runner_is_nobody,
            living::segments_are_kept_in_order_and_once,
            living::segments_before_the_first_kept_offset_go,
            living::segments_of_nobody_are_dropped,
            living::events_are_numbered_without_gaps,
            sweeping::a_session_must_be_launched_in_time,
            sweeping::stages_do_not_prolong_the_start,
            sweeping::the_deadline_counts_from_running,
            sweeping::idleness_counts_from_the_last_activity,
            sweeping::a_runner_that_falls_silent_is_lost,
            sweeping::a_runner_that_is_heard_of_is_not_lost,
            sweeping::after_an_outage_silence_is_counted_from_the_recovery,
            sweeping::an_ended_session_is_kept_a_while_after_its_release,
            sweeping::an_ended_session_is_pruned_when_its_time_has_come,
            sweeping::a_deleted_session_is_pruned_at_once_when_released,
            sweeping::many_are_swept_in_turns,
            ordering::the_store_grants_what_the_domain_allows_in_any_order,
            pooling::a_create_claims_the_first_warm_runner_that_is_free,
            pooling::of_50_creates_at_once_each_claims_another_warm_runner,
            pooling::a_runner_that_did_not_register_or_was_retired_is_not_claimed,
            pooling::what_was_refused_claims_nothing,
            pooling::a_session_is_parted_once_from_a_runner_that_did_not_begin_and_launched_anew,
            pooling::a_session_that_began_or_ended_keeps_its_runner,
            auditing::entries_are_told_in_order_and_page_by_page,
            auditing::what_is_asked_for_is_found_and_nothing_else,
            auditing::an_entry_outlives_its_session_until_it_is_old,
            sharing::a_use_of_a_link_is_taken_once_and_only_while_it_is_good,
            sharing::of_20_redeemers_at_once_as_many_get_in_as_there_are_uses,
            sharing::a_revocation_is_told_once_and_stays,
            sharing::a_session_has_at_most_256_links,
            telling::tidings_are_of_ones_own_sessions_once_and_in_order,
            telling::tidings_begin_now_or_after_any_event,
            limiting::what_is_said_of_a_quota_is_kept_of_whom_it_was_said,
            limiting::kept_logs_count_from_release_to_pruning_and_stop_creates_at_the_maximum,
            limiting::a_session_that_runs_is_given_a_later_deadline_and_ends_by_it,
            limiting::a_session_that_starts_is_given_a_deadline_that_counts_from_running,
            limiting::sessions_of_others_are_not_extended,
            operating::operators_find_sessions_of_all_tenants_by_what_they_ask_for,
            operating::everything_is_counted,
            operating::a_gateway_is_told_to_drain_as_long_as_it_reports,
            keys::the_first_key_is_added_once,
            keys::a_tenant_lists_its_own_keys_in_pages_and_operators_list_all,
            keys::a_tenant_has_as_many_keys_as_may_be_and_those_that_are_over_do_not_count,
            keys::a_key_is_revoked_once_and_by_its_own_tenant_or_operators,
            keys::a_rotated_key_has_two_secrets_for_a_while,
            keys::a_key_that_is_over_gets_no_other_secret,
            keys::the_last_use_of_keys_is_noted,
            keys::keys_that_are_over_are_forgotten_after_a_month,
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
