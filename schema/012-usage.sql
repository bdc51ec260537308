-- What each destination received, by site and day: for bills. It outlives the history.
CREATE TABLE export_usage (
    client      text NOT NULL,
    destination text NOT NULL,
    site_id     text COLLATE "C" NOT NULL,
    day         date NOT NULL, -- of created_at, in UTC
    events      bigint NOT NULL,
    bytes       bigint NOT NULL, -- of the objects, without manifests
    objects     bigint NOT NULL,
    PRIMARY KEY (client, destination, day, site_id)
);

-- As far as the history goes back.
INSERT INTO export_usage (client, destination, site_id, day, events, bytes, objects)
SELECT b.client, d.destination, s.site_id, (s.hour AT TIME ZONE 'UTC')::date, sum(o.rows),
    sum(o.bytes), count(*)
FROM export_deliveries d JOIN export_batches b ON b.id = d.batch
    JOIN export_objects o ON o.batch = d.batch AND o.destination = d.destination
    JOIN export_slices s ON s.batch = o.batch AND s.number = o.number
WHERE b.kind <> 'manual' GROUP BY 1, 2, 3, 4;
