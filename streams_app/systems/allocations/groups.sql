-- name: groups
SELECT name, criteria, updated_at FROM holdings.eligibility_group ORDER BY name;

-- name: group
SELECT criteria FROM holdings.eligibility_group WHERE name = %(name)s;

-- name: put
INSERT INTO holdings.eligibility_group (name, criteria)
SELECT name, criteria::jsonb FROM unnest(%(names)s::text[], %(criteria)s::text[]) AS k (name, criteria)
    ON CONFLICT (name) DO UPDATE SET criteria = excluded.criteria, updated_at = now();

-- name: put_first
-- A group that is there already stays as it is.
INSERT INTO holdings.eligibility_group (name, criteria) VALUES (%(name)s, %(criteria)s::jsonb)
    ON CONFLICT (name) DO NOTHING;

-- name: remove
DELETE FROM holdings.eligibility_group WHERE name = %(name)s RETURNING name;
