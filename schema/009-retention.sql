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
