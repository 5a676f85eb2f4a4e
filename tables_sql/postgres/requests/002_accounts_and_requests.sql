-- locality = crc32(account_id bytes) mod 30, the same number as zlib.crc32 and CockroachDB's crc32ieee.
-- PostgreSQL has no crc32 function before 18: this one walks the sixteen bytes a nibble at a time.
CREATE FUNCTION account_locality(account_id uuid) RETURNS int2
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
DECLARE
    nibbles CONSTANT int8[] := ARRAY[
        0, 498536548, 997073096, 651767980, 1994146192, 1802195444, 1303535960, 1342533948,
        3988292384, 4027552580, 3604390888, 3412177804, 2607071920, 2262029012, 2685067896, 3183342108];
    bytes   CONSTANT bytea := uuid_send(account_id);
    crc     int8 := 4294967295;
BEGIN
    FOR i IN 0..15 LOOP
        crc := crc # get_byte(bytes, i);
        crc := (crc >> 4) # nibbles[(crc & 15) + 1];
        crc := (crc >> 4) # nibbles[(crc & 15) + 1];
    END LOOP;
    RETURN ((crc # 4294967295) % 30)::int2;
END
$$;

CREATE TABLE account_info (
    locality           int2 GENERATED ALWAYS AS (account_locality(account_id)) STORED CHECK (locality BETWEEN 0 AND 29),
    account_id         uuid NOT NULL DEFAULT gen_random_uuid(),
    account_number     text NOT NULL,
    account_name       text NOT NULL,
    strategy           text,
    base_currency      text,
    account_status     text NOT NULL DEFAULT 'ACTIVE' CHECK (account_status IN ('PENDING', 'ACTIVE', 'CLOSED')),
    risk_profile       text,
    contact_email      text,
    mailing_preference text,
    permissions        text[] NOT NULL DEFAULT '{}',
    -- Raised by every change of the row: the guard of a decision that was made from an older row.
    version            int8 NOT NULL DEFAULT 1,
    updated_ts         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (locality, account_id)
);

-- For lookups alone: that a number is unique over all regions is what account_number_claim is for.
CREATE INDEX account_info_number ON account_info (account_number) INCLUDE (account_name, strategy, base_currency);

-- Append-only: which account a number belongs to. Whoever makes an account claims its number here first, in the region
-- that the number itself hashes to: locality = crc32(account_number as UTF-8) mod 30. So one key in one region decides
-- for all of them, and no constraint reaches across regions.
CREATE TABLE account_number_claim (
    locality       int2 NOT NULL CHECK (locality BETWEEN 0 AND 29),
    account_number text NOT NULL,
    account_id     uuid NOT NULL,
    PRIMARY KEY (locality, account_number)
);

CREATE TABLE request_info (
    locality            int2 NOT NULL CHECK (locality BETWEEN 0 AND 29),
    request_id          uuid NOT NULL,
    request_type_id     int4 NOT NULL REFERENCES request_type,
    primary_account_id  uuid NOT NULL,
    created_ts          timestamptz NOT NULL DEFAULT now(),
    requested_by        text NOT NULL,
    description         text,
    target_effective_ts timestamptz,
    request_status_id   int4 NOT NULL REFERENCES request_status (status_id),
    -- What is asked for, by request type: see streams_app/systems/requests/README.md.
    details             jsonb NOT NULL DEFAULT '{}',
    -- Unique in its locality, which never changes; that no other locality has the same id is for `verify` to say.
    PRIMARY KEY (locality, request_id)
);

CREATE INDEX request_info_recent
    ON request_info (created_ts DESC, request_type_id, request_status_id)
    INCLUDE (primary_account_id, requested_by);

-- A request has the locality of its primary account.
CREATE INDEX request_info_open_by_account
    ON request_info (locality, primary_account_id) WHERE request_status_id IN (1, 2);

-- Requests written without a first event, for the sweeper: by time, over all localities of the region.
CREATE INDEX request_info_pending ON request_info (created_ts) WHERE request_status_id = 1;

-- Append-only. The locality is that of the request: the linked account may live in another region.
CREATE TABLE request_account_link (
    locality       int2 NOT NULL CHECK (locality BETWEEN 0 AND 29),
    request_id     uuid NOT NULL,
    account_id     uuid NOT NULL,
    role           text NOT NULL,
    allocation_pct numeric(5, 2),
    PRIMARY KEY (locality, request_id, account_id)
);

-- The account in front: its links are spread over all localities of the region, and one search finds them.
CREATE INDEX request_account_link_account ON request_account_link (account_id, locality);

CREATE TABLE trade_info (
    locality   int2 NOT NULL CHECK (locality BETWEEN 0 AND 29),
    trade_id   uuid NOT NULL,
    request_id uuid NOT NULL,
    account_id uuid NOT NULL,
    symbol     text NOT NULL,
    side       text NOT NULL CHECK (side IN ('BUY', 'SELL')),
    quantity   numeric(20, 4) NOT NULL CHECK (quantity > 0),
    price      numeric(20, 4) NOT NULL CHECK (price > 0),
    currency   text NOT NULL,
    status_id  int4 NOT NULL REFERENCES request_status,
    created_ts timestamptz NOT NULL DEFAULT now(),
    updated_ts timestamptz NOT NULL DEFAULT now(),
    -- Unique in its locality: the id follows from the request, the account, the security and the side.
    PRIMARY KEY (locality, trade_id)
);

CREATE INDEX trade_info_request
    ON trade_info (locality, request_id, created_ts DESC)
    INCLUDE (account_id, symbol, side, quantity, price, status_id);

-- The account in front, as for its links.
CREATE INDEX trade_info_account ON trade_info (account_id, locality);
