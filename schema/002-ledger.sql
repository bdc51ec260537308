-- The ledger: one row for every group of requests that was committed, inserted
-- by the statement that stores the group. A group that comes again, because the
-- answer to its commit was lost or because it lay in the spool as well, finds
-- its row and stores nothing.

CREATE TABLE ingest_groups (
    -- Version 7, RFC 9562: it begins with the time, by which old rows are found.
    group_id  uuid PRIMARY KEY,
    -- The host that stored it.
    instance  uuid NOT NULL,
    -- Events of the group: each is one of these. Those of a repeated batchId
    -- are duplicate, whether they are good or not.
    stored    integer NOT NULL,
    duplicate integer NOT NULL,
    rejected  integer NOT NULL
);

-- What the ledger's rows had counted that were too old to keep, so that the
-- books stay whole; and what was taken out of rejected_events on purpose.
CREATE TABLE ingest_totals (
    instance  uuid PRIMARY KEY,
    stored    bigint NOT NULL,
    duplicate bigint NOT NULL,
    rejected  bigint NOT NULL,
    deleted   bigint NOT NULL DEFAULT 0
);
