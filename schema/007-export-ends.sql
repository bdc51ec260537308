-- Where the rows of a slice end among the transactions: batches are cut between two hours only
-- where no transaction of the earlier one comes later. NULL: planned before this was noted.
ALTER TABLE export_slices ADD COLUMN last_xid bigint;

-- The sites that events came from, which the export notes as it goes: what belongs to no client
-- is told from here, not by reading all events.
CREATE TABLE export_sites (
    site_id text PRIMARY KEY,
    seen_at timestamptz NOT NULL DEFAULT now()
);

-- Up to which snapshot they were noted, and of which cluster it is; one row.
CREATE TABLE export_sites_seen (
    only_row          boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    system_identifier bigint NOT NULL,
    snapshot          text NOT NULL
);
