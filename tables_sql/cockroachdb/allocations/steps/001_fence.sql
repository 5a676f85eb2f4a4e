-- As in delivery/001_fence.sql, without homes of rows: `region` is the domain, whose database has one home.
-- Who may commit effects of a partition's records: the highest generation of the group that claimed it.
-- Checked: the grammar, by CockroachDB's own parser (25.2). Not checked: types, names and behaviour on a server.
CREATE TABLE delivery_fence (
    region         STRING NOT NULL,
    consumer_group STRING NOT NULL,
    topic          STRING NOT NULL,
    partition      INT4 NOT NULL CHECK (partition >= 0),
    -- Moved by a replay: claims of an older epoch are void.
    epoch          INT8 NOT NULL DEFAULT 0,
    generation     INT8 NOT NULL,
    PRIMARY KEY (region, consumer_group, topic, partition)
);

GRANT USAGE ON SCHEMA public TO streams_app, streams_readonly;

GRANT SELECT ON TABLE delivery_fence TO streams_app, streams_readonly;

GRANT INSERT, UPDATE ON TABLE delivery_fence TO streams_app;
