-- name: add_months
SELECT event_logs_add_months(now() - %(days)s * interval '1 day', %(ahead)s::int4);
