-- What the writers and the consumers of the kill test do beside publishing and consuming. Nothing here guards against
-- a second time: whatever is done twice stands twice.

-- The last number that was given to an event of each key; its row is also the lock of the key.
CREATE TABLE chaos_head (
    key text PRIMARY KEY,
    seq int8 NOT NULL
);

-- What writers committed in the transactions of their events.
CREATE TABLE chaos_fact (
    key      text NOT NULL,
    seq      int8 NOT NULL,
    event_id text NOT NULL
);

-- What consumers made of events, in the order in which they did.
CREATE TABLE chaos_effect (
    id             int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    consumer_group text NOT NULL,
    key            text NOT NULL,
    event_id       text NOT NULL
);

GRANT SELECT, INSERT, UPDATE ON chaos_head, chaos_fact, chaos_effect TO streams_app;

GRANT SELECT ON chaos_head, chaos_fact, chaos_effect TO streams_readonly;
