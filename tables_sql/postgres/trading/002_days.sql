-- The days that events may be written to. The application may not create tables; it may call this.
-- Returns the names of the partitions that were made. A table is made apart and then attached: creating it in its place
-- would lock out everybody who writes.
CREATE FUNCTION app.outbox_add_days(ahead int4) RETURNS SETOF text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = app, pg_temp AS $$
DECLARE
    day  date;
    name text;
BEGIN
    PERFORM pg_advisory_xact_lock(7271905115);
    FOR day IN SELECT d::date
                 FROM generate_series((now() AT TIME ZONE 'utc')::date - 1,
                                      (now() AT TIME ZONE 'utc')::date + least(greatest(ahead, 0), 400),
                                      interval '1 day') AS d LOOP
        name := 'outbox_' || to_char(day, 'YYYYMMDD');
        CONTINUE WHEN to_regclass('app.' || name) IS NOT NULL;
        EXECUTE format('CREATE TABLE app.%I (LIKE app.outbox INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED)',
                       name);
        EXECUTE format('ALTER TABLE app.outbox ATTACH PARTITION app.%I FOR VALUES FROM (%L) TO (%L)', name,
                       day::text || ' 00:00:00+00', (day + 1)::text || ' 00:00:00+00');
        RETURN NEXT name;
    END LOOP;
END
$$;

REVOKE ALL ON FUNCTION app.outbox_add_days(int4) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION app.outbox_add_days(int4) TO streams_app;

SELECT app.outbox_add_days(14);
