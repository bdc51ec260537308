-- The buffer that events wait in until they are exported.
-- Applied once, in one transaction, by a worker at its start (under an
-- advisory lock). Migrations go forward only; never edit one that was released.

CREATE TABLE events (
    -- Ascending in a batch; a connection takes a hundred at once, so not between two.
    id          bigint GENERATED ALWAYS AS IDENTITY (CACHE 100),
    -- Time of the transaction: identical for all events of a batch.
    created_at  timestamptz NOT NULL DEFAULT now(),
    -- When the request arrived at the worker.
    received_at timestamptz NOT NULL,
    -- The client's timestamp, or received_at where it sent none.
    event_time  timestamptz NOT NULL,
    -- The storing transaction; the exporter selects by it.
    ingest_xid  bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
    site_id     text NOT NULL,
    event_type  text NOT NULL,
    session_id  text,
    visitor_id  text,
    client_ip   inet,
    user_agent  text,
    -- The whole event as it was sent; a batch's envelope without its array.
    -- json keeps it so, and is stored in a quarter less time than jsonb. A column of
    -- jsonb works as well; what lies here always can become it.
    payload     json NOT NULL
) PARTITION BY RANGE (created_at);

-- The only index. Rows lie in the order of the first two columns, so a small BRIN
-- serves the exporter (ingest_xid) and "the newest events" (created_at); of a site
-- it says which pages have none of it. A B-tree on (site_id, created_at) would cost
-- a quarter of the time of storing a row, and of its room.
CREATE INDEX events_ingest ON events
    USING brin (ingest_xid, created_at, site_id text_bloom_ops)
    WITH (pages_per_range = 32, autosummarize = on);

-- A missing day partition never refuses an event.
CREATE TABLE events_default PARTITION OF events DEFAULT;

-- Makes the partitions of today (UTC) and the next days_ahead days. Days that
-- have rows in the default partition are left there. Returns how many it made.
CREATE FUNCTION events_make_partitions(days_ahead integer) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    today     date := (now() AT TIME ZONE 'UTC')::date;
    day       date;
    low       timestamptz;
    high      timestamptz;
    partition text;
    made      integer := 0;
BEGIN
    -- Several workers may come here at once.
    PERFORM pg_advisory_xact_lock(7241862083345902164);
    FOR i IN 0 .. days_ahead LOOP
        day := today + i;
        partition := 'events_' || to_char(day, 'YYYYMMDD');
        CONTINUE WHEN to_regclass(partition) IS NOT NULL;
        low := day::timestamp AT TIME ZONE 'UTC';
        high := (day + 1)::timestamp AT TIME ZONE 'UTC';
        CONTINUE WHEN EXISTS (SELECT FROM events_default
                              WHERE created_at >= low AND created_at < high);
        EXECUTE format('CREATE TABLE %I PARTITION OF events '
                       'FOR VALUES FROM (%L) TO (%L)', partition, low, high);
        made := made + 1;
    END LOOP;
    RETURN made;
END
$$;

-- Batches that carried a batchId: a repeated one is stored once.
-- Keys are compared byte by byte, and first by what differs the most.
CREATE TABLE dedup_keys (
    site_id    text COLLATE "C" NOT NULL,
    batch_id   text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (batch_id, site_id)
);
CREATE INDEX dedup_keys_created ON dedup_keys USING brin (created_at);

-- Events that were refused while others of their batch were stored.
CREATE TABLE rejected_events (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    created_at  timestamptz NOT NULL DEFAULT now(),
    received_at timestamptz NOT NULL,
    site_id     text NOT NULL,
    client_ip   inet,
    event_index bigint NOT NULL,
    sqlstate    text,
    reason      text NOT NULL,
    -- bytea: what was refused need not be valid text.
    payload     bytea NOT NULL
);
