-- The secrets of [privacy] visitor_id = hash, one for each day (UTC), shared by
-- all workers. Without its salt an identifier can no longer be told from any
-- other: a salt is deleted 48 hours after its day began.

CREATE TABLE visitor_salts (
    day        date PRIMARY KEY,
    -- 32 random bytes, in base64url.
    salt       text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
