-- Partitions are made without standing in the way of an INSERT.

-- The partitions of events, but for the default one, and their bounds.
CREATE VIEW events_partitions AS
SELECT c.oid AS partition, c.relname::text AS name,
       coalesce(substring(bound FROM $$FROM [(]'([^']+)'[)]$$)::timestamptz, '-infinity') AS low,
       coalesce(substring(bound FROM $$TO [(]'([^']+)'[)]$$)::timestamptz, 'infinity') AS high
  FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid, pg_get_expr(c.relpartbound, c.oid) AS bound
 WHERE inhparent = 'events'::regclass AND bound <> 'DEFAULT';

-- Makes the partition of that span; false: another has a part of it, or the default
-- partition has rows of it.
--
-- CREATE TABLE … PARTITION OF would lock events against everybody, so one transaction that has
-- read it would hold up all that is stored. ATTACH PARTITION lets INSERTs into events go on. It
-- locks the default partition, which takes no rows as long as none is missing, and which
-- every reader of events has locked: so it does not wait for long, and the caller tries
-- again. The new table is empty, so is the default one; there is nothing to scan, and
-- no CHECK constraint that would spare it.
--
-- Whoever runs it may be somebody else than who owns the tables (grants.sql), so it finds
-- nothing that another made: functions are those of pg_catalog, and tables are named with
-- their schema, for which @ stands here.
DO $do$ BEGIN EXECUTE replace($sql$
CREATE FUNCTION events_make_partition(low timestamptz, high timestamptz) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '50ms' AS $$
DECLARE
    partition text := 'events_' || to_char(low AT TIME ZONE 'UTC', CASE WHEN high - low <
                      interval '1 day' THEN 'YYYYMMDDHH24' ELSE 'YYYYMMDD' END);
BEGIN
    IF high <= low OR high - low > interval '1 day' THEN
        RAISE 'a partition of events has at most a day';
    END IF;
    -- Several workers may come here at once.
    PERFORM pg_advisory_xact_lock(7241862083345902164);
    IF EXISTS (SELECT FROM @.events_partitions p WHERE p.low < events_make_partition.high
               AND p.high > events_make_partition.low) OR
       EXISTS (SELECT FROM @.events_default WHERE created_at >= low AND created_at < high) THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE @.%I (LIKE @.events INCLUDING ALL EXCLUDING IDENTITY)', partition);
    EXECUTE format('ALTER TABLE @.events ATTACH PARTITION @.%I FOR VALUES FROM (%L) TO (%L)',
                   partition, low, high);
    RETURN true;
END
$$;
$sql$, '@', quote_ident(current_schema())); END $do$;

-- All at once, as workers of earlier versions ask for it.
DO $do$ BEGIN EXECUTE replace($sql$
CREATE OR REPLACE FUNCTION events_make_partitions(days_ahead integer) RETURNS integer
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    SELECT count(*) FILTER (WHERE @.events_make_partition(day AT TIME ZONE 'UTC',
                                                          (day + interval '1 day') AT TIME ZONE 'UTC'))::integer
      FROM generate_series(0, days_ahead) AS i,
           date_trunc('day', now() AT TIME ZONE 'UTC' + i * interval '1 day') AS day;
$$;
$sql$, '@', quote_ident(current_schema())); END $do$;
