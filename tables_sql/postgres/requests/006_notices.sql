-- What clients were told of the end of their requests: the effect of the events that say so, one row a request.
CREATE TABLE request_notice (
    locality   int2 NOT NULL CHECK (locality BETWEEN 0 AND 29),
    request_id uuid NOT NULL,
    status_id  int4 NOT NULL REFERENCES request_status,
    event_id   text NOT NULL,
    told_ts    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (locality, request_id)
);

GRANT SELECT ON request_notice TO streams_app, streams_readonly, streams_replication;

GRANT INSERT ON request_notice TO streams_app;
