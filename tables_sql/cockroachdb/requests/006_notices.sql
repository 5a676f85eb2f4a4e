-- What clients were told of the end of their requests: the effect of the events that say so, one row a request.
-- Checked: the grammar, by CockroachDB's own parser (25.2). Not checked: types, names and behaviour on a server.
CREATE TABLE request_notice (
    locality        INT2 NOT NULL CHECK (locality BETWEEN 0 AND 29),
    request_id      UUID NOT NULL,
    status_id       INT4 NOT NULL REFERENCES request_status (status_id),
    event_id        STRING NOT NULL,
    told_ts         TIMESTAMPTZ NOT NULL DEFAULT now(),
    computed_region crdb_internal_region NOT VISIBLE NOT NULL AS (
        CASE WHEN locality BETWEEN 0 AND 9 THEN 'us-east'
             WHEN locality BETWEEN 10 AND 19 THEN 'us-central'
             ELSE 'us-west' END::crdb_internal_region) STORED,
    PRIMARY KEY (locality, request_id)
) LOCALITY REGIONAL BY ROW AS computed_region;

GRANT SELECT ON TABLE request_notice TO streams_app, pgb, streams_readonly, streams_replication;

GRANT INSERT ON TABLE request_notice TO streams_app, pgb;
