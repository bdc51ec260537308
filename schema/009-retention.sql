-- What millrace-maintain knows of the partitions that it may drop, and how it drops one.

-- What lies in a partition whose time is over. Its rows stay what they are, so they are
-- counted once.
CREATE TABLE events_counted (
    partition         text PRIMARY KEY,
    -- Of the cluster that gave the ids of transactions: another's mean nothing here.
    system_identifier bigint NOT NULL,
    rows              bigint NOT NULL,
    max_xid           bigint NOT NULL,
    -- What the count saw: pg_snapshot as text.
    snapshot          text NOT NULL,
    counted_at        timestamptz NOT NULL DEFAULT now()
);

-- By site. More than a thousand sites are counted as one, which may be anybody's.
CREATE TABLE events_counted_sites (
    partition text NOT NULL REFERENCES events_counted ON DELETE CASCADE,
    site_id   text COLLATE "C", -- NULL: any
    rows      bigint NOT NULL,
    min_xid   bigint NOT NULL,
    max_xid   bigint NOT NULL,
    UNIQUE (partition, site_id)
);

-- Keeps a partition whose time is over from everybody until the end of the transaction, so
-- that what is found out about it stays true. Nothing is stored there, so no INSERT waits.
-- @ stands for the schema, as in 008-partitions.sql.
DO $do$ BEGIN EXECUTE replace($sql$
CREATE FUNCTION events_hold_partition(name text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '50ms' AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM @.events_partitions p WHERE p.name = events_hold_partition.name
                   AND p.high <= now()) THEN
        RAISE '% is no partition of events whose time is over', name;
    END IF;
    EXECUTE format('LOCK TABLE ONLY @.%I IN ACCESS EXCLUSIVE MODE', name);
END
$$;
$sql$, '@', quote_ident(current_schema())); END $do$;

-- Drops it. DETACH PARTITION … CONCURRENTLY, which would let everybody go on, is refused
-- where there is a default partition. DETACH PARTITION takes the same locks as DROP TABLE,
-- and what was detached would be left behind by whoever is killed then. So DROP TABLE, but
-- what is waited for the longest is locked first: the partition and the default one, which
-- readers hold and INSERTs do not want. Only then events itself, which INSERTs do want: it is
-- held for the change in the catalogue alone, as files are removed when locks are gone.
DO $do$ BEGIN EXECUTE replace($sql$
CREATE FUNCTION events_drop_partition(name text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '50ms' AS $$
BEGIN
    PERFORM @.events_hold_partition(name);
    LOCK TABLE ONLY @.events_default IN ACCESS EXCLUSIVE MODE;
    LOCK TABLE ONLY @.events IN ACCESS EXCLUSIVE MODE;
    EXECUTE format('DROP TABLE @.%I', name);
END
$$;
$sql$, '@', quote_ident(current_schema())); END $do$;

-- Moves what a day left in the default partition to one of its own, the oldest such day first;
-- returns how many rows it moved, 0 when there is nothing to do. Each row stays what it was:
-- ids, transaction and order. That is in nobody's way until it is attached, which waits for
-- readers of the default partition, and looks through what is left in that. So days are
-- moved only when they are over, and when what comes now has a partition of its own.
DO $do$ BEGIN EXECUTE replace($sql$
CREATE FUNCTION events_move_default() RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '50ms' AS $$
DECLARE
    day       timestamp;
    begins    timestamptz;
    ends      timestamptz;
    partition text;
    moved     bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(7241862083345902164);
    SELECT date_trunc('day', min(created_at) AT TIME ZONE 'UTC') INTO day FROM @.events_default;
    begins := day AT TIME ZONE 'UTC';
    ends := (day + interval '1 day') AT TIME ZONE 'UTC';
    IF day IS NULL OR ends > now() - interval '15 minutes' OR
       NOT EXISTS (SELECT FROM @.events_partitions p WHERE p.low <= now() AND p.high > now()) OR
       EXISTS (SELECT FROM @.events_partitions p WHERE p.low < ends AND p.high > begins) THEN
        RETURN 0;
    END IF;
    partition := 'events_' || to_char(day, 'YYYYMMDD');
    EXECUTE format('CREATE TABLE @.%I (LIKE @.events INCLUDING ALL EXCLUDING IDENTITY)', partition);
    -- Spares looking through it once more while it is attached.
    EXECUTE format('ALTER TABLE @.%I ADD CONSTRAINT bounds CHECK (created_at >= %L AND '
                   'created_at < %L)', partition, begins, ends);
    EXECUTE format('WITH gone AS (DELETE FROM @.events_default WHERE created_at >= %L AND '
                   'created_at < %L RETURNING *) INSERT INTO @.%I SELECT * FROM gone',
                   begins, ends, partition);
    GET DIAGNOSTICS moved = ROW_COUNT;
    EXECUTE format('ALTER TABLE @.events ATTACH PARTITION @.%I FOR VALUES FROM (%L) TO (%L)',
                   partition, begins, ends);
    EXECUTE format('ALTER TABLE @.%I DROP CONSTRAINT bounds', partition);
    RETURN moved;
END
$$;
$sql$, '@', quote_ident(current_schema())); END $do$;
