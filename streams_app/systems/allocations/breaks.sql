-- name: open
SELECT kind, subject FROM holdings.booking_break WHERE resolved_at IS NULL;

-- name: write
-- In one order for everybody. A break that was resolved holds from now on again.
INSERT INTO holdings.booking_break AS b (kind, subject, detail)
SELECT k.kind, k.subject, k.detail
  FROM unnest(%(kinds)s::text[], %(subjects)s::text[], %(details)s::text[]) AS k (kind, subject, detail)
 ORDER BY k.kind, k.subject
    ON CONFLICT (kind, subject) DO UPDATE
   SET detail = excluded.detail, resolved_at = NULL,
       found_at = CASE WHEN b.resolved_at IS NULL THEN b.found_at ELSE now() END
 WHERE b.resolved_at IS NOT NULL OR b.detail <> excluded.detail
RETURNING found_at = now();

-- name: resolve
UPDATE holdings.booking_break
   SET resolved_at = now()
 WHERE kind = %(kind)s AND subject = ANY(%(subjects)s::text[]) AND resolved_at IS NULL;

-- name: list
SELECT kind, subject, detail, found_at, resolved_at
  FROM holdings.booking_break
 WHERE resolved_at IS NULL OR %(resolved)s
 ORDER BY found_at DESC, kind, subject;
