-- The months that events may be written to. The application may not create tables; it may call this.
-- Returns the names of the partitions that were made: those of the days from `since` on to `ahead` months from now. The
-- table is made apart and then attached: creating it in its place would lock out everybody who writes.
CREATE FUNCTION event_logs_add_months(since timestamptz, ahead int4) RETURNS SETOF text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    month date;
    name  text;
BEGIN
    PERFORM pg_advisory_xact_lock(7271905113);
    FOR month IN SELECT m::date
                   FROM generate_series(date_trunc('month', greatest(since, now() - interval '10 years')
                                                            AT TIME ZONE 'utc'),
                                        date_trunc('month', now() AT TIME ZONE 'utc')
                                            + least(greatest(ahead, 0), 24) * interval '1 month',
                                        interval '1 month') AS m LOOP
        name := 'event_logs_' || to_char(month, 'YYYYMM');
        CONTINUE WHEN to_regclass('public.' || name) IS NOT NULL;
        EXECUTE format('CREATE TABLE %I (LIKE event_logs INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name);
        EXECUTE format('ALTER TABLE event_logs ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name,
                       month::text || ' 00:00:00+00', (month + interval '1 month')::date::text || ' 00:00:00+00');
        RETURN NEXT name;
    END LOOP;
END
$$;

REVOKE ALL ON FUNCTION event_logs_add_months(timestamptz, int4) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION event_logs_add_months(timestamptz, int4) TO streams_app;

SELECT event_logs_add_months(now() - interval '90 days', 3);
