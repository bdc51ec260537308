-- What the role of the worker and of the programs for cron needs where it owns neither
-- the tables nor the database. For the owner, after each millrace-admin migrate:
--     psql -d millrace -v role=www-data -v ON_ERROR_STOP=1 -f grants.sql
-- Nothing here is taken away from anybody else, and it may be run again.

BEGIN;

-- Partitions belong to the owner of the tables, whoever asks for them.
ALTER FUNCTION events_make_partition(timestamptz, timestamptz)
    SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION events_make_partitions(integer)
    SECURITY DEFINER SET search_path = public, pg_temp;
REVOKE EXECUTE ON FUNCTION events_make_partition(timestamptz, timestamptz),
    events_make_partitions(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION events_make_partition(timestamptz, timestamptz),
    events_make_partitions(integer) TO :"role";

-- Maintaining. Only what lies in the past can be dropped by it.
ALTER FUNCTION events_hold_partition(text)
    SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION events_drop_partition(text)
    SECURITY DEFINER SET search_path = public, pg_temp;
REVOKE EXECUTE ON FUNCTION events_hold_partition(text), events_drop_partition(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION events_hold_partition(text), events_drop_partition(text) TO :"role";
GRANT SELECT, INSERT, DELETE ON events_counted, events_counted_sites TO :"role";

-- Collecting.
GRANT SELECT ON schema_migrations, events_default, events_partitions TO :"role";
GRANT SELECT, INSERT ON events TO :"role";
GRANT SELECT, INSERT, DELETE ON dedup_keys TO :"role";
GRANT SELECT, INSERT, DELETE ON ingest_groups, visitor_salts TO :"role";
GRANT SELECT, INSERT, UPDATE ON ingest_totals TO :"role";
GRANT SELECT, INSERT, UPDATE, DELETE ON rejected_events TO :"role";

-- Exporting.
GRANT SELECT, INSERT, UPDATE, DELETE ON export_chains, export_batches, export_slices,
    export_places, export_objects, export_deliveries, export_cursors, export_uploads,
    export_runs, export_audit, export_sites, export_sites_seen TO :"role";
GRANT USAGE ON SEQUENCE export_batches_id_seq TO :"role";

COMMIT;
