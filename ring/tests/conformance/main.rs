//! What every backend promises, asked of each in turn.
//!
//! A case is a function of a [`Backend`](harness::Backend); it does everything through the `Disk` boundary, so that a simulated disk that passes here
//! behaves as the kernel does. Where a promise is the kernel backends' alone, the case says so and is skipped with a message.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, reason = "tests")]

mod chains;
mod counts;
mod harness;
mod namespace;
mod ownership;
mod queue;
mod transfers;

/// All cases on one backend, each a test of its own.
macro_rules! conformance {
    ($backend:ident; $($module:ident: $($case:ident)*;)*) => {
        mod $backend {
            $(mod $module {
                $(#[test]
                fn $case() {
                    crate::harness::$backend().into_iter().for_each(|backend| crate::$module::$case(&backend));
                })*
            })*
        }
    };
}

macro_rules! on_all_backends {
    ($($cases:tt)*) => {
        conformance! { uring; $($cases)* }
        conformance! { syscalls; $($cases)* }
        conformance! { sim; $($cases)* }
    };
}

on_all_backends! {
    transfers:
        what_was_written_is_read_back
        a_read_across_the_end_is_short
        a_read_past_the_end_is_empty
        a_write_past_the_end_leaves_zeros
        overwriting_leaves_the_neighbours_alone
        a_durable_write_is_a_write_and_a_sync
        large_transfers_arrive_whole
        helpers_read_and_write_files;
    chains:
        completions_come_in_order
        the_end_of_a_file_breaks_a_chain
        a_failure_breaks_a_chain
        what_comes_after_a_broken_chain_is_not_touched
        a_chain_that_does_not_fit_is_refused_whole
        an_empty_chain_is_nothing
        a_chain_longer_than_the_lane_is_a_bug
        many_chains_keep_their_order;
    queue:
        a_full_lane_gives_the_operation_back
        reap_waits_for_as_many_as_asked
        a_lane_with_nothing_in_flight_does_not_wait
        a_deep_batch_completes_each_once
        submitted_work_goes_on_until_reaped
        unaligned_operations_are_bugs;
    counts:
        counters_add_up
        a_commit_is_one_chain
        failures_are_counted;
    ownership:
        dropping_a_lane_frees_its_buffers
        what_was_never_submitted_is_never_done
        buffers_of_another_arena_work
        an_open_file_outlives_its_name
        many_threads_share_a_pool
        lanes_do_not_see_each_other;
    namespace:
        missing_and_existing_files_are_told_apart
        names_change_as_told
        sizes_change_as_told
        directories_are_made_and_listed
        a_directory_has_one_owner
        a_mapping_and_the_file_are_one
        errors_say_what_where_and_why
        space_is_known;
}
