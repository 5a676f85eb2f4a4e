-- The source's log of payments, numbered per account, and what is made of it.
CREATE TABLE payment (
    account_id uuid NOT NULL,
    seq_num    int8 NOT NULL,
    amount     numeric(20, 2) NOT NULL,
    PRIMARY KEY (account_id, seq_num)
);

CREATE TABLE balance (
    account_id uuid PRIMARY KEY,
    seq_num    int8 NOT NULL,
    amount     numeric(20, 2) NOT NULL
);

GRANT SELECT ON payment, balance TO streams_app;

GRANT INSERT, UPDATE ON balance TO streams_app;
