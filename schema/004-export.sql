-- The export: what was planned, what was delivered, and who asked for it.
-- A batch is what became visible between two snapshots. It is planned, which is
-- committed, before a row of it is read; so it is the same however often it is
-- delivered, and to however many destinations.

-- How far the batches of each client are planned.
CREATE TABLE export_chains (
    client            text PRIMARY KEY,
    -- Of the cluster whose snapshots these are: another's mean nothing here.
    system_identifier bigint NOT NULL,
    -- pg_snapshot as text; the next batch begins there.
    snapshot          text NOT NULL,
    -- The client's sites by then: those listed, or (NULL) all except the others.
    sites             text[],
    except_sites      text[] NOT NULL DEFAULT '{}',
    planned_at        timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE export_batches (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- Part of the keys of its objects; begins with the time of the plan.
    name            text NOT NULL UNIQUE,
    client          text NOT NULL,
    -- Not NULL: for one destination only, which came later than the others.
    destination     text,
    -- cursor: the next of the chain; backfill: what the chain had passed before
    -- a site or a destination was added; manual: a span of time, asked for.
    kind            text NOT NULL CHECK (kind IN ('cursor', 'backfill', 'manual')),
    run_id          uuid NOT NULL,
    snapshot_from   text, -- NULL: from the first row on
    snapshot_to     text NOT NULL,
    since           timestamptz,
    until           timestamptz,
    sites           text[],
    except_sites    text[] NOT NULL DEFAULT '{}',
    format          text NOT NULL,
    compression     text NOT NULL,
    level           integer NOT NULL,
    parquet_json    boolean NOT NULL,
    encoder_version integer NOT NULL,
    rows            bigint NOT NULL DEFAULT 0,
    planned_at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX export_batches_client ON export_batches (client, id);
CREATE INDEX export_batches_run ON export_batches (run_id);

-- The objects of a batch: one for each site and hour (of created_at).
CREATE TABLE export_groups (
    batch     bigint NOT NULL REFERENCES export_batches ON DELETE CASCADE,
    number    integer NOT NULL,
    site_id   text NOT NULL,
    hour      timestamptz NOT NULL,
    rows      bigint NOT NULL,
    -- The first transaction that is not a late one.
    first_xid bigint,
    -- Where its rows lay when they were counted, so that several connections can
    -- read a part each. A hint: rows that have moved since are missed, and counted anew.
    partition oid,
    first_row tid,
    last_row  tid,
    PRIMARY KEY (batch, number)
);

-- Where a destination's objects of a batch go: noted before the first one is written,
-- and kept when the configuration changes, so that none of them lies there twice.
CREATE TABLE export_places (
    batch       bigint NOT NULL REFERENCES export_batches ON DELETE CASCADE,
    destination text NOT NULL,
    -- Folder, or endpoint and bucket; in another one there are none of them yet.
    place       text NOT NULL,
    prefix      text NOT NULL,
    PRIMARY KEY (batch, destination)
);

-- What a destination has received of it.
CREATE TABLE export_objects (
    batch          bigint NOT NULL REFERENCES export_batches ON DELETE CASCADE,
    destination    text NOT NULL,
    number         integer NOT NULL,
    key            text NOT NULL,
    rows           bigint NOT NULL,
    bytes          bigint NOT NULL,
    sha256         text NOT NULL,
    min_id         bigint NOT NULL,
    max_id         bigint NOT NULL,
    min_created_at timestamptz NOT NULL,
    max_created_at timestamptz NOT NULL,
    PRIMARY KEY (batch, destination, number)
);

-- Complete batches: the manifest is there, too.
CREATE TABLE export_deliveries (
    batch        bigint NOT NULL REFERENCES export_batches ON DELETE CASCADE,
    destination  text NOT NULL,
    objects      bigint NOT NULL,
    rows         bigint NOT NULL,
    bytes        bigint NOT NULL,
    manifest     text NOT NULL, -- its key
    sha256       text NOT NULL, -- of the manifest
    delivered_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (batch, destination)
);

-- Where each destination of each client is: every batch of the chain up to
-- this one has been delivered to it.
CREATE TABLE export_cursors (
    client       text NOT NULL,
    destination  text NOT NULL,
    batch        bigint NOT NULL,
    url          text NOT NULL,
    -- The rows that were visible by then are there; NULL: none yet.
    reached_at   timestamptz,
    succeeded_at timestamptz,
    failed_at    timestamptz,
    error        text, -- NULL: the last try succeeded
    events       bigint NOT NULL DEFAULT 0,
    bytes        bigint NOT NULL DEFAULT 0,
    objects      bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (client, destination)
);

-- Multipart uploads that were begun and not ended, to be aborted. With the id '':
-- one is being begun, or was when the exporter ended.
CREATE TABLE export_uploads (
    client      text NOT NULL,
    destination text NOT NULL,
    bucket      text NOT NULL,
    key         text NOT NULL,
    upload_id   text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (client, destination, key, upload_id)
);

-- Runs, and requests for one: who asked, what for, and what became of it.
CREATE TABLE export_runs (
    run_id       uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    origin       text NOT NULL CHECK (origin IN ('command', 'http')),
    asked_by     text NOT NULL,
    client       text,
    format       text,
    since        timestamptz,
    until        timestamptz,
    forced       boolean NOT NULL DEFAULT false,
    state        text NOT NULL CHECK (state IN ('requested', 'running', 'done', 'failed', 'stopped')),
    requested_at timestamptz NOT NULL DEFAULT now(),
    started_at   timestamptz,
    ended_at     timestamptz,
    batches      bigint NOT NULL DEFAULT 0,
    objects      bigint NOT NULL DEFAULT 0,
    events       bigint NOT NULL DEFAULT 0,
    bytes        bigint NOT NULL DEFAULT 0,
    error        text
);
CREATE INDEX export_runs_requested ON export_runs (requested_at);

-- One row for each batch and destination of a run, also when it failed.
CREATE TABLE export_audit (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at          timestamptz NOT NULL DEFAULT now(),
    run_id      uuid NOT NULL,
    asked_by    text NOT NULL,
    client      text NOT NULL,
    destination text NOT NULL,
    url         text NOT NULL,
    batch       text NOT NULL,
    objects     bigint NOT NULL,
    events      bigint NOT NULL,
    bytes       bigint NOT NULL,
    sha256      text, -- of the manifest
    error       text
);
CREATE INDEX export_audit_at ON export_audit USING brin (at);
