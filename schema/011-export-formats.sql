-- What else of a format is part of a batch's plan, so that it is the same however often
-- it is delivered, and whatever the configuration says by then.
ALTER TABLE export_batches
    -- CSV: texts that a spreadsheet would take for formulas have an apostrophe.
    ADD COLUMN csv_guard         boolean NOT NULL DEFAULT false,
    -- Parquet: what its pages are packed with.
    ADD COLUMN parquet_codec     text NOT NULL DEFAULT 'zstd',
    -- Whether rows have the columns that the keys have, too.
    ADD COLUMN partition_columns boolean NOT NULL DEFAULT true;
