-- What POST /export/run may ask for besides: to say what would be exported, or to read
-- back what was.

ALTER TABLE export_runs
    ADD COLUMN dry_run boolean NOT NULL DEFAULT false,
    ADD COLUMN verify boolean NOT NULL DEFAULT false;
