-- How long the rows of a batch have waited is told by the oldest of them. NULL: it has none, or
-- was planned before this was noted.
ALTER TABLE export_batches ADD COLUMN oldest_at timestamptz;

-- No row of the client's sites lies between the chain's snapshot and this one, so that neither
-- planning nor counting looks there again. NULL: not known.
ALTER TABLE export_chains ADD COLUMN idle_until text;

-- Rows of the batch that cannot be exported were refused: they are in rejected_events, and
-- neither counted nor read.
ALTER TABLE export_batches ADD COLUMN refuses boolean NOT NULL DEFAULT false;
