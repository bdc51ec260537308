-- Events that carried a messageId: a repeated one is stored once.
CREATE TABLE message_keys (
    -- Of site and messageId half of a SHA-256: shorter than they are, in the index too, of
    -- which each key may change another page.
    message_key uuid PRIMARY KEY,
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX message_keys_created ON message_keys USING brin (created_at);
