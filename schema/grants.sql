-- What the role of the worker and of the programs for cron needs where it owns neither
-- the tables nor the database. For the owner, after each millrace-admin migrate:
--     psql -d millrace -v role=www-data -v ON_ERROR_STOP=1 -f grants.sql
-- It may be run again. What it takes away: whoever may make things in the schema public can
-- put them where the owner's statements find them, so nobody but its owner may any more. From
-- PostgreSQL 15 on that is so in a new database; one that was upgraded is open until here.
-- Where the schema belongs to somebody else than who runs this, it stays open, and that is said.

BEGIN;
SET LOCAL search_path = pg_catalog, public, pg_temp;

SELECT pg_catalog.has_schema_privilege('public', 'public', 'CREATE') AS open \gset
\if :open
    REVOKE CREATE ON SCHEMA public FROM PUBLIC;
    SELECT pg_catalog.has_schema_privilege('public', 'public', 'CREATE') AS open \gset
\endif
\if :open
    \warn 'the schema public stays open to everybody: let its owner run REVOKE CREATE ON SCHEMA public FROM PUBLIC'
\endif

-- Partitions belong to the owner of the tables, whoever asks for them. Maintaining: only what
-- lies in the past can be dropped.
ALTER FUNCTION public.events_make_partition(timestamptz, timestamptz) SECURITY DEFINER;
ALTER FUNCTION public.events_make_partitions(integer) SECURITY DEFINER;
ALTER FUNCTION public.events_hold_partition(text) SECURITY DEFINER;
ALTER FUNCTION public.events_drop_partition(text) SECURITY DEFINER;
ALTER FUNCTION public.events_move_default() SECURITY DEFINER;
REVOKE EXECUTE ON FUNCTION public.events_make_partition(timestamptz, timestamptz),
    public.events_make_partitions(integer), public.events_hold_partition(text),
    public.events_drop_partition(text), public.events_move_default() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.events_make_partition(timestamptz, timestamptz),
    public.events_make_partitions(integer), public.events_hold_partition(text),
    public.events_drop_partition(text), public.events_move_default() TO :"role";
GRANT SELECT, INSERT, DELETE ON events_counted, events_counted_sites TO :"role";

-- Collecting.
GRANT SELECT ON schema_migrations, events_default, events_partitions TO :"role";
GRANT SELECT, INSERT ON events TO :"role";
GRANT SELECT, INSERT, DELETE ON dedup_keys, message_keys TO :"role";
GRANT SELECT, INSERT, DELETE ON ingest_groups, visitor_salts TO :"role";
GRANT SELECT, INSERT, UPDATE ON ingest_totals TO :"role";
GRANT SELECT, INSERT, UPDATE, DELETE ON rejected_events TO :"role";

-- Exporting.
GRANT SELECT, INSERT, UPDATE, DELETE ON export_chains, export_batches, export_slices,
    export_places, export_objects, export_deliveries, export_cursors, export_uploads,
    export_runs, export_audit, export_sites, export_sites_seen, export_usage TO :"role";
GRANT USAGE ON SEQUENCE export_batches_id_seq TO :"role";

COMMIT;
