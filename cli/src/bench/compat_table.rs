//! db_bench's flags that `ringwood bench` does not have, and why.
//!
//! An entry `name=value` says that the flag changes nothing with that value; without one, that is so for `0`, `false`, `none`,
//! `-1` and the empty text. `docs/cli.md` repeats the groups for users; a test keeps the two in step.

/// What becomes of a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Taken, with a note.
    Drop,
    /// Refused, unless its value changes nothing.
    Refuse,
}

/// Flags with one fate.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) verdict: Verdict,
    /// Why, as the rest of a sentence that begins with the flags.
    pub(crate) why: &'static str,
    /// The flags, separated by blanks.
    pub(crate) flags: &'static str,
}

/// All of them.
pub(crate) const GROUPS: &[Group] = &[
    Group {
        verdict: Verdict::Drop,
        why: "Ringwood shapes and schedules its levels by itself",
        flags: "num_levels target_file_size_base target_file_size_multiplier max_bytes_for_level_base \
            level_compaction_dynamic_level_bytes max_bytes_for_level_multiplier \
            max_bytes_for_level_multiplier_additional level0_stop_writes_trigger level0_slowdown_writes_trigger \
            level0_file_num_compaction_trigger periodic_compaction_seconds max_compaction_bytes compaction_pri \
            compaction_readahead_size soft_pending_compaction_bytes_limit hard_pending_compaction_bytes_limit \
            delayed_write_rate disable_seek_compaction universal_size_ratio universal_min_merge_width \
            universal_max_merge_width universal_max_size_amplification_percent universal_compression_size_percent \
            universal_max_read_amp universal_allow_trivial_move universal_incremental universal_stop_style \
            universal_reduce_file_locking fifo_compaction_max_table_files_size_mb fifo_compaction_allow_compaction \
            fifo_compaction_ttl fifo_age_for_warm fifo_compaction_max_data_files_size_mb \
            fifo_compaction_use_kv_ratio_compaction read_triggered_compaction_threshold \
            max_compaction_trigger_wakeup_seconds min_level_to_compress memtable_op_scan_flush_trigger",
    },
    Group {
        verdict: Verdict::Drop,
        why: "Ringwood chooses its background threads by itself (its own flag is --compaction_threads)",
        flags: "max_background_jobs num_bottom_pri_threads num_high_pri_threads num_low_pri_threads \
            max_background_compactions max_background_flushes subcompactions file_opening_threads \
            compression_parallel_threads enable_io_prio enable_cpu_prio num_deletion_threads",
    },
    Group {
        verdict: Verdict::Drop,
        why: "memtables follow --write_buffer_size and --memory",
        flags: "db_write_buffer_size max_write_buffer_number min_write_buffer_number_to_merge \
            max_write_buffer_size_to_maintain arena_block_size memtablerep hash_bucket_count skip_list_lookahead \
            memtable_bloom_size_ratio memtable_whole_key_filtering memtable_use_huge_page \
            memtable_batch_lookup_optimization memtable_insert_with_hint_prefix_size \
            memtable_protection_bytes_per_key memtable_verify_per_key_checksum_on_seek paranoid_memory_checks \
            inplace_update_support inplace_update_num_locks experimental_mempurge_threshold \
            cost_write_buffer_to_cache bloom_locality",
    },
    Group {
        verdict: Verdict::Drop,
        why: "writers are grouped by Ringwood's own commit",
        flags: "enable_pipelined_write unordered_write allow_concurrent_memtable_write \
            enable_write_thread_adaptive_yield write_thread_max_yield_usec write_thread_slow_yield_usec \
            use_adaptive_mutex max_successive_merges strict_max_successive_merges \
            write_batch_protection_bytes_per_key rate_limit_auto_wal_flush",
    },
    Group {
        verdict: Verdict::Drop,
        why: "blocks, indexes and filters of tables have one form here",
        flags: "block_size format_version block_restart_interval index_block_restart_interval \
            read_amp_bytes_per_bit enable_index_compression block_align super_block_alignment_size \
            super_block_alignment_space_overhead_ratio separate_key_value_in_data_block use_data_block_hash_index \
            data_block_hash_table_util_ratio uniform_cv_threshold decouple_partitioned_filters \
            partition_index_and_filters partition_index index_with_first_key use_trie_index \
            optimize_filters_for_memory index_shortening_mode metadata_block_size use_ribbon_filter \
            whole_key_filtering optimize_filters_for_hits index_block_search_type use_hash_search checksum_type \
            verify_checksum paranoid_checks force_consistency_checks block_protection_bytes_per_key file_checksum \
            min_tombstones_for_range_conversion verify_compression",
    },
    Group {
        verdict: Verdict::Drop,
        why: "there is one cache, of --cache_size bytes, and indexes and filters are always in memory",
        flags: "cache_numshardbits cache_high_pri_pool_ratio cache_low_pri_pool_ratio cache_type \
            cache_index_and_filter_blocks pin_l0_filter_and_index_blocks_in_cache pin_top_level_index_and_filter \
            prepopulate_block_cache uncache_aggressiveness use_cache_jemalloc_no_dump_allocator \
            use_cache_memkind_kmem_allocator open_files table_cache_numshardbits row_cache_size simcache_size \
            compressed_cache_size use_compressed_secondary_cache compressed_secondary_cache_size \
            compressed_secondary_cache_numshardbits compressed_secondary_cache_high_pri_pool_ratio \
            compressed_secondary_cache_low_pri_pool_ratio compressed_secondary_cache_compression_type \
            compressed_secondary_cache_compression_level use_tiered_cache tiered_adm_policy cache_uri \
            secondary_cache_uri read_cache_path read_cache_size read_cache_direct_write read_cache_direct_read \
            charge_compression_dictionary_building_buffer charge_filter_construction charge_table_reader \
            charge_file_metadata charge_blob_cache",
    },
    Group {
        verdict: Verdict::Drop,
        why: "Ringwood does all its I/O directly, in batches, through io_uring",
        flags: "use_direct_reads use_direct_io_for_flush_and_compaction use_direct_io_for_compaction_reads \
            bytes_per_sync wal_bytes_per_sync use_fsync io_uring_enabled async_io optimize_multiget_for_io \
            multiread_batched adaptive_readahead auto_readahead_size initial_auto_readahead_size \
            max_auto_readahead_size num_file_reads_for_auto_readahead readahead_size log_readahead_size \
            advise_random_on_open writable_file_max_buffer_size rate_limit_user_ops rate_limit_bg_reads \
            io_dispatcher_max_prefetch_memory_bytes",
    },
    Group {
        verdict: Verdict::Drop,
        why: "the log lies in the store's directory; log, manifest and recovery have no such knobs",
        flags: "wal_dir wal_ttl_seconds wal_size_limit_MB max_total_wal_size max_manifest_file_size \
            max_manifest_space_amp_pct verify_manifest_content_on_close track_and_verify_wals_in_manifest \
            track_and_verify_wals async_wal_precreate avoid_flush_during_recovery avoid_flush_during_shutdown \
            delete_obsolete_files_period_micros open_files_async skip_stats_update_on_db_open report_open_timing",
    },
    Group {
        verdict: Verdict::Drop,
        why: "a detail of zstd or of sampling that Ringwood sets by itself",
        flags: "compression_level sample_for_compression compression_max_dict_bytes compression_zstd_max_train_bytes \
            compression_max_dict_buffer_bytes compression_use_zstd_dict_trainer",
    },
    Group {
        verdict: Verdict::Drop,
        why: "its place is taken by the lines after each benchmark and by `stats`",
        flags: "stats_interval stats_per_interval stats_level stats_dump_period_sec stats_persist_period_sec \
            persist_stats_to_disk stats_history_buffer_size dump_malloc_stats print_malloc_stats perf_level \
            slow_usecs thread_status_per_interval report_bg_io_stats report_file_operations \
            show_table_properties use_stderr_info_logger allow_data_in_errors build_info \
            fatal_shutdown_watchdog_seconds compaction_measure_io_stats",
    },
    Group {
        verdict: Verdict::Drop,
        why: "every iterator here reads from a snapshot, in the order of all keys",
        flags: "explicit_snapshot auto_refresh_iterator_with_snapshot total_order_seek prefix_same_as_start \
            auto_prefix_mode read_with_latest_user_timestamp",
    },
    Group {
        verdict: Verdict::Drop,
        why: "it belongs to benchmarks that are not offered here",
        flags: "numdistinct merge_operator merge_keys mergereadpercent deletepercent multiscan_size multiscan_stride \
            multiscan_coalesce_threshold multiscan_use_async_io multiscan_max_prefetch_size use_multiscan \
            transaction_sets transaction_set_snapshot transaction_sleep transaction_lock_timeout backup_rate_limit \
            restore_rate_limit backup_dir restore_dir ingest_external_file_batch_size \
            ingest_external_file_num_batches ingest_external_file_file_opening_threads \
            ingest_external_file_use_file_info ingest_external_file_fill_cache \
            ingest_external_file_prefetch_lmax_index_and_filter_blocks openandcompact_allow_resumption \
            openandcompact_test_cancel_on_odd openandcompact_cancel_after_millseconds keyrange_dist_a \
            keyrange_dist_b keyrange_dist_c keyrange_dist_d keyrange_num key_dist_a key_dist_b value_theta value_k \
            value_sigma iter_theta iter_k iter_sigma mix_get_ratio mix_put_ratio mix_seek_ratio mix_max_scan_len \
            mix_max_value_size sine_mix_rate_noise sine_mix_rate sine_mix_rate_interval_milliseconds mix_accesses \
            use_single_deletes stddev key_id_range expire_style time_range truth_db embedded_blob_min_size \
            num_wide_columns num_short_wide_columns coro_jobs_per_thread trace_replay_fast_forward \
            trace_replay_threads block_cache_trace_sampling_frequency \
            block_cache_trace_max_trace_file_size_in_bytes disposable_entries_delete_delay \
            disposable_entries_value_size persistent_entries_value_size overwrite_window_size range_tombstone_width \
            writes_before_delete_range expand_range_tombstones",
    },
    Group {
        verdict: Verdict::Drop,
        why: "it belongs to BlobDB",
        flags: "blob_db_enable_gc blob_db_max_db_size blob_db_max_ttl_range blob_db_ttl_range_secs \
            blob_db_file_size enable_blob_direct_write blob_direct_write_partitions min_blob_size blob_file_size \
            blob_compression_type enable_blob_garbage_collection blob_garbage_collection_age_cutoff \
            blob_garbage_collection_force_threshold blob_compaction_readahead_size blob_file_starting_level \
            use_blob_cache use_shared_block_and_blob_cache blob_cache_size blob_cache_numshardbits \
            prepopulate_blob_cache",
    },
    Group {
        verdict: Verdict::Refuse,
        why: "keys here are a number and padding: no prefixes, timestamps, other orders or keys read from the store",
        flags: "prefix_size keys_per_prefix seek_missing_prefix use_uint64_comparator user_timestamp_size \
            use_existing_keys identity_as_first_hash",
    },
    Group {
        verdict: Verdict::Refuse,
        why: "values here have one size, and none is repeated on purpose",
        flags: "value_size_distribution_type=fixed value_size_min=100 value_size_max=102400 same_value_percentage",
    },
    Group {
        verdict: Verdict::Refuse,
        why: "one store with one keyspace is measured; run several processes for several stores",
        flags: "num_multi_db num_column_families=1 num_hot_column_families column_family_distribution \
            use_secondary_db secondary_path secondary_update_interval=5 open_as_follower leader_path",
    },
    Group {
        verdict: Verdict::Refuse,
        why: "this operation does not exist in Ringwood",
        flags: "use_keep_filter transaction_db optimistic_transaction_db \
            writes_per_range_tombstone max_num_range_tombstones ttl_seconds use_blob_db enable_blob_files \
            preclude_last_level_data_seconds preserve_internal_time_seconds",
    },
    Group {
        verdict: Verdict::Refuse,
        why: "it changes a workload in a way that is not offered here",
        flags: "overwrite_probability seek_nexts_to_delete max_scan_distance use_tailing_iterator \
            disposable_entries_batch_size persistent_entries_batch_size sine_write_rate \
            sine_write_rate_interval_milliseconds=10000 sine_a=1 sine_b=1 sine_c sine_d=1",
    },
    Group {
        verdict: Verdict::Refuse,
        why: "the store would not be the one that is asked for: compaction is always levelled and automatic, tables have one \
            form, files are never mapped, the log is written plain and at once, nothing limits background I/O",
        flags: "compaction_style disable_auto_compactions use_plain_table use_cuckoo_table cuckoo_hash_ratio=0.9 \
            mmap_read mmap_write wal_compression manual_wal_flush compression_manager \
            rate_limiter_bytes_per_sec rate_limiter_refill_period_us=100000 rate_limiter_auto_tuned \
            rate_limiter_single_burst_bytes options_file readonly enable_numa",
    },
    Group {
        verdict: Verdict::Refuse,
        why: "other file systems, traces and injected faults have no place in this runner",
        flags: "env_uri fs_uri simulate_hybrid_fs_file simulate_hybrid_hdd_multipliers=1 simulate_hdd \
            fault_injection_read_after_reads tolerate_io_errors_for_remote_dbs trace_file block_cache_trace_file \
            statistics_string",
    },
];
