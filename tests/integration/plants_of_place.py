"""Violations of where rows live, and of what must be unique over all regions."""

from __future__ import annotations

from tests.integration.plants import Plant

PLANTS_OF_PLACE = [
    Plant(
        "requests_live_with_their_account",
        "another locality",
        "UPDATE request_info SET locality = (locality + 1) %% 10 WHERE request_id = %(profile)s",
    ),
    *(
        Plant(
            "rows_live_with_their_request",
            f"another locality of {table}",
            f"UPDATE {table} SET locality = (locality + 1) %% 10 WHERE request_id = %(cancelled)s",
        )
        for table in (
            "request_event_log",
            "request_status_head",
            "request_signal",
            "request_account_link",
            "trade_info",
        )
    ),
    *(
        Plant("rows_live_in_their_region", f"another region's {table}", f"UPDATE {table} SET locality = locality + 10")
        for table in (
            "request_info",
            "request_event_log",
            "request_status_head",
            "request_signal",
            "request_account_link",
            "trade_info",
            "request_notice",
        )
    ),
    Plant(
        "rows_live_in_their_region",
        "another region's claim",
        "INSERT INTO account_number_claim VALUES (29, 'a number', gen_random_uuid())",
    ),
    Plant(
        "rows_live_in_their_region",
        "another region's account",
        "INSERT INTO account_info (account_id, account_number, account_name) "
        "VALUES (%(profile_account)s, '1', 'An account')",
        region="us-west",
    ),
    Plant(
        "requests_are_unique",
        "twice in one region",
        "INSERT INTO request_info SELECT (locality + 1) %% 10, request_id, request_type_id, primary_account_id, "
        "created_ts, requested_by, NULL, NULL, request_status_id, details "
        "FROM request_info WHERE request_id = %(profile)s",
    ),
    Plant(
        "requests_are_unique",
        "in two regions",
        "UPDATE request_info SET request_id = %(profile)s WHERE request_type_id = 4",
        region="us-west",
    ),
    Plant(
        "trades_are_unique",
        "twice in one region",
        "INSERT INTO trade_info SELECT (locality + 1) %% 10, trade_id, request_id, account_id, symbol, side, quantity, "
        "price, currency, status_id FROM trade_info WHERE trade_id = %(adjusted_trade)s",
    ),
    Plant(
        "trades_are_unique",
        "in two regions",
        "UPDATE trade_info SET trade_id = %(adjusted_trade)s "
        "WHERE trade_id = (SELECT min(trade_id::text)::uuid FROM trade_info)",
        region="us-west",
    ),
    Plant(
        "signals_are_unique",
        "twice in one region",
        "INSERT INTO request_signal SELECT (locality + 1) %% 10, request_id, signal_id, kind, actor, payload "
        "FROM request_signal WHERE request_id = %(rejected)s",
    ),
    Plant(
        "signals_are_unique",
        "in two regions",
        "UPDATE request_signal SET signal_id = %(rejected_reject)s WHERE kind = 'reject'",
        region="us-west",
    ),
    Plant(
        "account_numbers_are_unique",
        "in one region",
        "UPDATE account_info SET account_number = 'us-east profile 0' WHERE account_id = %(close_account)s",
    ),
    Plant(
        "account_numbers_are_unique",
        "in two regions",
        "UPDATE account_info SET account_number = 'us-east profile 0' WHERE account_number = 'us-west profile 0'",
        region="us-west",
    ),
    Plant(
        "claims_name_their_account",
        "claimed for another account, in another region",
        "INSERT INTO account_number_claim VALUES (29, 'us-east profile 0', gen_random_uuid())",
        region="us-west",
    ),
    Plant(
        "claims_name_their_account",
        "claimed twice",
        "INSERT INTO account_number_claim VALUES (8, 'us-east profile 0', %(profile_account)s), "
        "(9, 'us-east profile 0', %(profile_account)s)",
    ),
]
