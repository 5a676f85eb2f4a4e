-- Rows live in the region of their account: locality 0-9 us-east, 10-19 us-central, 20-29 us-west.
-- Checked: the grammar, by CockroachDB's own parser (25.2). Not checked: types, names and behaviour on a server.
-- Every primary key and unique constraint begins with the locality: it decides the region, so the check stays there.
-- Without it each insert would ask all regions. What is unique over all of them is so by how it is made (ids that
-- follow from the request), by a claim in one region (account numbers), and by what `verify` reads.
-- Every index begins, unseen, with computed_region: an index without the locality in front is still one per region.
-- Statements name the locality, from which the region is computed, so that no other region is asked.
-- A computed column cannot refer to another computed one, so account_info writes the hash out twice.
CREATE FUNCTION account_locality(account_id UUID) RETURNS INT2
    LANGUAGE SQL IMMUTABLE STRICT
AS $$ SELECT mod(crc32ieee(account_id::BYTES), 30:::INT8)::INT2 $$;

CREATE TABLE account_info (
    locality           INT2 NOT NULL AS (mod(crc32ieee(account_id::BYTES), 30:::INT8)::INT2) STORED
                       CHECK (locality BETWEEN 0 AND 29),
    account_id         UUID NOT NULL DEFAULT gen_random_uuid(),
    account_number     STRING NOT NULL,
    account_name       STRING NOT NULL,
    strategy           STRING,
    base_currency      STRING,
    account_status     STRING NOT NULL DEFAULT 'ACTIVE' CHECK (account_status IN ('PENDING', 'ACTIVE', 'CLOSED')),
    risk_profile       STRING,
    contact_email      STRING,
    mailing_preference STRING,
    permissions        STRING[] NOT NULL DEFAULT ARRAY[]:::STRING[],
    -- Raised by every change of the row: the guard of a decision that was made from an older row.
    version            INT8 NOT NULL DEFAULT 1,
    updated_ts         TIMESTAMPTZ NOT NULL DEFAULT now(),
    computed_region    crdb_internal_region NOT VISIBLE NOT NULL AS (
        CASE WHEN mod(crc32ieee(account_id::BYTES), 30:::INT8) < 10 THEN 'us-east'
             WHEN mod(crc32ieee(account_id::BYTES), 30:::INT8) < 20 THEN 'us-central'
             ELSE 'us-west' END::crdb_internal_region) STORED,
    PRIMARY KEY (locality, account_id),
    -- For lookups alone: that a number is unique over all regions is what account_number_claim is for.
    INDEX account_info_number (account_number) STORING (account_name, strategy, base_currency)
) LOCALITY REGIONAL BY ROW AS computed_region;

-- Append-only: which account a number belongs to. Whoever makes an account claims its number here first, in the region
-- that the number itself hashes to: locality = crc32(account_number as UTF-8) mod 30. So one key in one region decides
-- for all of them, and no constraint reaches across regions.
CREATE TABLE account_number_claim (
    locality        INT2 NOT NULL CHECK (locality BETWEEN 0 AND 29),
    account_number  STRING NOT NULL,
    account_id      UUID NOT NULL,
    computed_region crdb_internal_region NOT VISIBLE NOT NULL AS (
        CASE WHEN locality BETWEEN 0 AND 9 THEN 'us-east'
             WHEN locality BETWEEN 10 AND 19 THEN 'us-central'
             ELSE 'us-west' END::crdb_internal_region) STORED,
    PRIMARY KEY (locality, account_number)
) LOCALITY REGIONAL BY ROW AS computed_region;

CREATE TABLE request_info (
    locality            INT2 NOT NULL CHECK (locality BETWEEN 0 AND 29),
    request_id          UUID NOT NULL,
    request_type_id     INT4 NOT NULL REFERENCES request_type (request_type_id),
    primary_account_id  UUID NOT NULL,
    created_ts          TIMESTAMPTZ NOT NULL DEFAULT now(),
    requested_by        STRING NOT NULL,
    description         STRING,
    target_effective_ts TIMESTAMPTZ,
    request_status_id   INT4 NOT NULL REFERENCES request_status (status_id),
    -- What is asked for, by request type: see streams_app/systems/requests/README.md.
    details             JSONB NOT NULL DEFAULT '{}',
    computed_region     crdb_internal_region NOT VISIBLE NOT NULL AS (
        CASE WHEN locality BETWEEN 0 AND 9 THEN 'us-east'
             WHEN locality BETWEEN 10 AND 19 THEN 'us-central'
             ELSE 'us-west' END::crdb_internal_region) STORED,
    -- Unique in its locality, which never changes; that no other locality has the same id is for `verify` to say.
    PRIMARY KEY (locality, request_id),
    INDEX request_info_recent (created_ts DESC, request_type_id, request_status_id)
        STORING (primary_account_id, requested_by),
    -- A request has the locality of its primary account.
    INDEX request_info_open_by_account (locality, primary_account_id) WHERE request_status_id IN (1, 2),
    -- Requests written without a first event, for the sweeper: by time, over all localities of the region.
    INDEX request_info_pending (created_ts) WHERE request_status_id = 1
) LOCALITY REGIONAL BY ROW AS computed_region;

-- Append-only. The locality is that of the request: the linked account may live in another region.
CREATE TABLE request_account_link (
    locality        INT2 NOT NULL CHECK (locality BETWEEN 0 AND 29),
    request_id      UUID NOT NULL,
    account_id      UUID NOT NULL,
    role            STRING NOT NULL,
    allocation_pct  DECIMAL(5, 2),
    computed_region crdb_internal_region NOT VISIBLE NOT NULL AS (
        CASE WHEN locality BETWEEN 0 AND 9 THEN 'us-east'
             WHEN locality BETWEEN 10 AND 19 THEN 'us-central'
             ELSE 'us-west' END::crdb_internal_region) STORED,
    PRIMARY KEY (locality, request_id, account_id),
    -- The account in front: its links are spread over all localities of the region, and one search finds them.
    INDEX request_account_link_account (account_id, locality)
) LOCALITY REGIONAL BY ROW AS computed_region;

CREATE TABLE trade_info (
    locality            INT2 NOT NULL CHECK (locality BETWEEN 0 AND 29),
    trade_id            UUID NOT NULL,
    request_id          UUID NOT NULL,
    account_id          UUID NOT NULL,
    symbol              STRING NOT NULL,
    side                STRING NOT NULL CHECK (side IN ('BUY', 'SELL')),
    quantity            DECIMAL(20, 4) NOT NULL CHECK (quantity > 0),
    price               DECIMAL(20, 4) NOT NULL CHECK (price > 0),
    currency            STRING NOT NULL,
    status_id           INT4 NOT NULL REFERENCES request_status (status_id),
    created_ts          TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_ts          TIMESTAMPTZ NOT NULL DEFAULT now(),
    computed_region     crdb_internal_region NOT VISIBLE NOT NULL AS (
        CASE WHEN locality BETWEEN 0 AND 9 THEN 'us-east'
             WHEN locality BETWEEN 10 AND 19 THEN 'us-central'
             ELSE 'us-west' END::crdb_internal_region) STORED,
    -- Unique in its locality: the id follows from the request, the account, the security and the side.
    PRIMARY KEY (locality, trade_id),
    INDEX trade_info_request (locality, request_id, created_ts DESC)
        STORING (account_id, symbol, side, quantity, price, status_id),
    -- The account in front, as for its links.
    INDEX trade_info_account (account_id, locality)
) LOCALITY REGIONAL BY ROW AS computed_region;
