-- Who may commit effects of a partition's records: the highest generation of the group that claimed it.
CREATE TABLE delivery_fence (
    region         text NOT NULL,
    consumer_group text NOT NULL,
    topic          text NOT NULL,
    partition      int4 NOT NULL CHECK (partition >= 0),
    -- Moved by a replay: claims of an older epoch are void.
    epoch          int8 NOT NULL DEFAULT 0,
    generation     int8 NOT NULL,
    PRIMARY KEY (region, consumer_group, topic, partition)
) WITH (fillfactor = 50);

GRANT USAGE ON SCHEMA public TO streams_app, streams_readonly;

GRANT SELECT ON delivery_fence TO streams_app, streams_readonly;

GRANT INSERT, UPDATE ON delivery_fence TO streams_app;
