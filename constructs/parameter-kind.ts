/**
 * When a changed parameter of RDS for PostgreSQL takes effect: at once, or at
 * the next reboot. RDS refuses to apply a static parameter at once, and takes
 * any at a reboot, so only what is known to be dynamic there counts as that. It
 * is not PostgreSQL's own distinction: temp_file_limit is static at RDS.
 * https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Appendix.PostgreSQL.CommonDBATasks.Parameters.html
 */

export type ParameterKind = "static" | "dynamic";

/** Undefined: not in the table. At a reboot it can be applied all the same. */
export function parameterKind(name: string): ParameterKind | undefined {
  return KINDS.get(name);
}

const STATIC = `
  autovacuum_freeze_max_age autovacuum_max_workers
  autovacuum_multixact_freeze_max_age autovacuum_worker_slots
  commit_timestamp_buffers huge_page_size huge_pages io_max_combine_limit
  io_max_concurrency io_method logging_collector max_active_replication_origins
  max_connections max_files_per_process max_locks_per_transaction
  max_logical_replication_workers max_notify_queue_pages
  max_pred_locks_per_transaction max_prepared_transactions
  max_replication_slots max_wal_senders max_worker_processes
  min_dynamic_shared_memory multixact_member_buffers multixact_offset_buffers
  notify_buffers old_snapshot_threshold rds.logical_replication
  rds.restrict_password_commands reserved_connections serializable_buffers
  shared_buffers shared_preload_libraries ssl subtransaction_buffers
  superuser_reserved_connections temp_file_limit track_activity_query_size
  track_commit_timestamp transaction_buffers wal_buffers wal_decode_buffer_size
  wal_log_hints
`;

const DYNAMIC = `
  application_name array_nulls authentication_timeout autovacuum
  autovacuum_analyze_scale_factor autovacuum_analyze_threshold
  autovacuum_naptime autovacuum_vacuum_cost_delay autovacuum_vacuum_cost_limit
  autovacuum_vacuum_scale_factor autovacuum_vacuum_threshold backslash_quote
  bgwriter_delay bgwriter_lru_maxpages bgwriter_lru_multiplier bytea_output
  check_function_bodies checkpoint_completion_target checkpoint_timeout
  checkpoint_warning client_encoding client_min_messages commit_delay
  commit_siblings constraint_exclusion cpu_index_tuple_cost cpu_operator_cost
  cpu_tuple_cost cursor_tuple_fraction datestyle deadlock_timeout
  debug_pretty_print debug_print_parse debug_print_plan debug_print_rewritten
  default_statistics_target default_tablespace default_transaction_deferrable
  default_transaction_isolation default_transaction_read_only
  effective_cache_size effective_io_concurrency enable_bitmapscan
  enable_hashagg enable_hashjoin enable_indexscan enable_material
  enable_mergejoin enable_nestloop enable_seqscan enable_sort enable_tidscan
  escape_string_warning extra_float_digits from_collapse_limit geqo geqo_effort
  geqo_generations geqo_pool_size geqo_seed geqo_selection_bias geqo_threshold
  gin_fuzzy_search_limit hot_standby_feedback intervalstyle join_collapse_limit
  lc_messages lc_monetary lc_numeric lc_time log_autovacuum_min_duration
  log_checkpoints log_connections log_disconnections log_duration
  log_error_verbosity log_executor_stats log_filename log_hostname
  log_line_prefix log_lock_waits log_min_duration_statement
  log_min_error_statement log_min_messages log_parser_stats log_planner_stats
  log_rotation_age log_rotation_size log_statement log_statement_stats
  log_temp_files log_timezone log_truncate_on_rotation maintenance_work_mem
  max_slot_wal_keep_size max_stack_depth max_standby_archive_delay
  max_standby_streaming_delay max_wal_size min_wal_size quote_all_identifiers
  random_page_cost rds.adaptive_autovacuum rds.force_ssl
  rds.log_retention_period search_path seq_page_cost session_replication_role
  standard_conforming_strings statement_timeout synchronize_seqscans
  synchronous_commit tcp_keepalives_count tcp_keepalives_idle
  tcp_keepalives_interval temp_buffers temp_tablespaces timezone
  track_activities track_counts track_functions track_io_timing
  transform_null_equals update_process_title vacuum_cost_delay
  vacuum_cost_limit vacuum_cost_page_dirty vacuum_cost_page_hit
  vacuum_cost_page_miss vacuum_freeze_min_age vacuum_freeze_table_age
  wal_sender_timeout wal_writer_delay work_mem xmlbinary xmloption
`;

const KINDS: ReadonlyMap<string, ParameterKind> = new Map([
  ...entries(STATIC, "static"),
  ...entries(DYNAMIC, "dynamic"),
]);

function entries(
  names: string,
  kind: ParameterKind,
): [name: string, kind: ParameterKind][] {
  return names
    .trim()
    .split(/\s+/)
    .map((name) => [name, kind]);
}
