-- The days that rows may be written to. The application may not create tables; it may call this.
-- Returns the names of the partitions that were made. The table is made apart and then attached: creating it in its
-- place would lock out everybody who writes. A temporary table of the caller's never stands for a day.
CREATE FUNCTION event_log_add_days(ahead int4) RETURNS SETOF text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    log  text;
    day  date;
    name text;
BEGIN
    PERFORM pg_advisory_xact_lock(7271905111);
    FOREACH log IN ARRAY ARRAY['event_production_log', 'event_consumption_log'] LOOP
        FOR day IN SELECT d::date
                     FROM generate_series((now() AT TIME ZONE 'utc')::date - 1,
                                          (now() AT TIME ZONE 'utc')::date + least(greatest(ahead, 0), 400),
                                          interval '1 day') AS d LOOP
            name := log || '_' || to_char(day, 'YYYYMMDD');
            CONTINUE WHEN to_regclass('public.' || name) IS NOT NULL;
            EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name, log);
            EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', log, name,
                           day::text || ' 00:00:00+00', (day + 1)::text || ' 00:00:00+00');
            RETURN NEXT name;
        END LOOP;
    END LOOP;
END
$$;

REVOKE ALL ON FUNCTION event_log_add_days(int4) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION event_log_add_days(int4) TO streams_app;

SELECT event_log_add_days(14);
