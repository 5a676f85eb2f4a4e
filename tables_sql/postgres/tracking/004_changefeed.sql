-- The other way to the topics: Debezium reads the new events from the log of the database. The relay's updates of them
-- are no events.
CREATE PUBLICATION streams_events FOR TABLE event_production_log
    WITH (publish = 'insert', publish_via_partition_root = true);
