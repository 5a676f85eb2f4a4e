-- Rows live in the region of their account: locality 0-9 us-east, 10-19 us-central, 20-29 us-west.
-- Checked: the grammar, by CockroachDB's own parser (25.2). Not checked: types, names and behaviour on a server.
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
    INDEX account_info_number (account_number) STORING (account_name, strategy, base_currency)
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
    PRIMARY KEY (locality, request_id),
    INDEX request_info_recent (created_ts DESC, request_type_id, request_status_id)
        STORING (primary_account_id, requested_by),
    INDEX request_info_open_by_account (primary_account_id) WHERE request_status_id IN (1, 2),
    -- Whether a request that only links to an account is still open: the link does not know the locality.
    INDEX request_info_open (request_id) WHERE request_status_id IN (1, 2),
    -- Requests written without a first event, for the sweeper.
    INDEX request_info_pending (created_ts) WHERE request_status_id = 1
) LOCALITY REGIONAL BY ROW AS computed_region;

CREATE TABLE request_account_link (
    request_id     UUID NOT NULL,
    account_id     UUID NOT NULL,
    role           STRING NOT NULL,
    allocation_pct DECIMAL(5, 2),
    PRIMARY KEY (request_id, account_id),
    INDEX request_account_link_account (account_id)
);

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
    PRIMARY KEY (locality, trade_id),
    INDEX trade_info_request (locality, request_id, created_ts DESC)
        STORING (account_id, symbol, side, quantity, price, status_id),
    INDEX trade_info_account (account_id)
) LOCALITY REGIONAL BY ROW AS computed_region;
