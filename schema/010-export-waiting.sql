-- How long the rows of a batch have waited is told by the oldest of them. NULL: it has none, or
-- was planned before this was noted.
ALTER TABLE export_batches ADD COLUMN oldest_at timestamptz;
