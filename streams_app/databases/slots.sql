-- name: slots
-- Logical replication slots of this database: bytes of log that each holds back, whether it is read, whether it is lost.
SELECT slot_name, coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0)::int8, active,
       coalesce(wal_status = 'lost', false)
  FROM pg_replication_slots
 WHERE slot_type = 'logical' AND database = current_database();
