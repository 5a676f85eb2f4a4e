"""Every violation that the tests of `verify` plant, as SQL on the tables without their constraints."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Plant:
    """SQL that breaks one rule in one region. `%(x)s` is the request, `%(x_account)s` the account of story x."""

    check: str
    what: str
    sql: str
    region: str = "us-east"


def event(story: str, seq_num: int, link: int, status: int, **columns: str) -> str:
    """An event that nobody's decision made."""
    values = {"event_ts": "clock_timestamp()", "metadata": "'{}'", "idempotency_key": f"'planted-{seq_num}'"} | columns
    return (
        "INSERT INTO request_event_log (locality, request_id, seq_num, action_state_link_id, status_id, event_ts, "
        f"actor, metadata, idempotency_key) SELECT locality, request_id, {seq_num}, {link}, {status}, "
        f"{values['event_ts']}, 'planted', {values['metadata']}, {values['idempotency_key']} "
        f"FROM request_info WHERE request_id = %({story})s"
    )


def update_event(story: str, change: str, where: str) -> str:
    """A change of events of one request."""
    return f"UPDATE request_event_log SET {change} WHERE request_id = %({story})s AND {where}"


def notice(story: str, status: str, *, request: str = "request_id") -> str:
    """A notice that no event asked for."""
    return (
        f"INSERT INTO request_notice (locality, request_id, status_id, event_id) SELECT locality, {request}, {status}, "
        f"'planted' FROM request_status_head WHERE request_id = %({story})s"
    )


LAST = "seq_num = (SELECT seq_num FROM request_status_head h WHERE h.request_id = request_event_log.request_id)"

PLANTS = [
    Plant("workflow_tables", "another meaning", "UPDATE request_action_state_link SET is_terminal = NOT is_terminal"),
    Plant("workflow_tables", "no link", "DELETE FROM request_action_state_link WHERE action_state_link_id = 5090"),
    *(
        Plant("rows_have_requests", f"no request of {table}", f"UPDATE {table} SET request_id = gen_random_uuid()")
        for table in (
            "request_event_log",
            "request_status_head",
            "request_signal",
            "request_account_link",
            "trade_info",
        )
    ),
    Plant("rows_have_requests", "request gone", "DELETE FROM request_info WHERE request_id = %(profile)s"),
    Plant("requests_have_heads", "head gone", "DELETE FROM request_status_head WHERE request_id = %(profile)s"),
    Plant(
        "requests_have_heads",
        "never begun",
        "INSERT INTO request_info SELECT locality, gen_random_uuid(), request_type_id, primary_account_id, "
        "now() - interval '1 hour', requested_by, NULL, NULL, 1, details FROM request_info "
        "WHERE request_id = %(profile)s",
    ),
    Plant("heads_have_events", "events gone", "DELETE FROM request_event_log WHERE request_id = %(profile)s"),
    Plant("heads_have_events", "head gone", "DELETE FROM request_status_head WHERE request_id = %(profile)s"),
    Plant(
        "first_event_is_initial", "another node", update_event("profile", "action_state_link_id = 2002", "seq_num = 1")
    ),
    Plant(
        "first_event_is_initial", "another type", update_event("profile", "action_state_link_id = 1001", "seq_num = 1")
    ),
    Plant(
        "sequence_has_no_gaps",
        "first lost",
        "DELETE FROM request_event_log WHERE request_id = %(profile)s AND seq_num = 1",
    ),
    Plant(
        "sequence_has_no_gaps",
        "middle lost",
        "DELETE FROM request_event_log WHERE request_id = %(profile)s AND seq_num = 3",
    ),
    Plant("sequence_has_no_gaps", "number twice", event("profile", 3, 2003, 2)),
    Plant(
        "head_is_last_event",
        "head behind",
        "UPDATE request_status_head SET seq_num = seq_num - 1 WHERE request_id = %(profile)s",
    ),
    Plant(
        "head_is_last_event",
        "last event lost",
        f"DELETE FROM request_event_log WHERE request_id = %(profile)s AND {LAST}",
    ),
    *(
        Plant(
            "head_is_last_event",
            f"another {column}",
            f"UPDATE request_status_head SET {column} = {value} WHERE request_id = %(waiting)s",
        )
        for column, value in (
            ("action_state_link_id", "1003"),
            ("status_id", "1"),
            ("event_ts", "event_ts + interval '1 ms'"),
        )
    ),
    Plant("steps_are_allowed", "a node skipped", update_event("profile", "action_state_link_id = 2006", "seq_num = 3")),
    Plant(
        "steps_are_allowed",
        "a node of another type",
        update_event("profile", "action_state_link_id = 3002", "seq_num = 3"),
    ),
    Plant(
        "steps_are_allowed",
        "another outcome",
        update_event("profile", 'metadata = metadata || \'{"outcome": "clear"}\'', "seq_num = 3"),
    ),
    Plant("nothing_follows_the_end", "ended twice", event("profile", 7, 2090, 3)),
    Plant(
        "time_does_not_go_back",
        "older than the one before",
        update_event("profile", "event_ts = event_ts - interval '1 day'", "seq_num = 3"),
    ),
    Plant(
        "request_status_is_head_status",
        "status left behind",
        "UPDATE request_info SET request_status_id = 2 WHERE request_id = %(profile)s",
    ),
    Plant("event_status_is_node_status", "another status", update_event("profile", "status_id = 1", "seq_num = 3")),
    Plant(
        "causes_act_once",
        "one key, two events",
        update_event("profile", "idempotency_key = 'step-1'", "idempotency_key = 'step-2'"),
    ),
    Plant("nodes_are_entered_once", "entered again", event("waiting", 3, 1002, 2)),
    Plant(
        "signals_act_once",
        "in two requests",
        event(
            "waiting",
            3,
            1003,
            2,
            idempotency_key="(SELECT 'signal-' || signal_id FROM request_signal WHERE request_id = %(rejected)s)",
        ),
    ),
    Plant("signalled_steps_have_signals", "signal gone", "DELETE FROM request_signal WHERE request_id = %(rejected)s"),
    Plant(
        "signalled_steps_have_signals",
        "another kind",
        "UPDATE request_signal SET kind = 'documents' WHERE request_id = %(rejected)s",
    ),
    Plant(
        "signals_are_heard",
        "waited for, not applied",
        "WITH late AS (UPDATE request_status_head SET event_ts = now() - interval '1 hour' "
        "WHERE request_id = %(waiting)s RETURNING locality, request_id) "
        "INSERT INTO request_signal SELECT locality, request_id, gen_random_uuid(), "
        "'documents', 'planted', '{}', now() - interval '1 hour' FROM late",
    ),
    Plant(
        "nothing_is_stuck",
        "no timeout",
        "UPDATE request_status_head SET event_ts = now() - interval '4 days' WHERE request_id = %(waiting)s",
    ),
    Plant(
        "nothing_is_stuck",
        "not driven on",
        "UPDATE request_status_head SET action_state_link_id = 1003, event_ts = now() - interval '2 minutes' "
        "WHERE request_id = %(waiting)s",
    ),
    Plant("failures_have_reasons", "no reason", update_event("rejected", "metadata = metadata - 'reason'", "true")),
    Plant("notices_tell_how_requests_ended", "another end", notice("profile", "4")),
    Plant("notices_tell_how_requests_ended", "not ended", notice("waiting", "status_id")),
    Plant("notices_tell_how_requests_ended", "no request", notice("profile", "3", request="gen_random_uuid()")),
    Plant(
        "ended_requests_take_their_trades_along",
        "open trade",
        "UPDATE trade_info SET status_id = 1 WHERE request_id = %(cancelled)s",
    ),
    Plant(
        "ended_requests_take_their_trades_along",
        "settled trade",
        "UPDATE trade_info SET status_id = 3 WHERE request_id = %(cancelled)s",
    ),
    Plant(
        "complete_requests_leave_no_trade_open",
        "open trade",
        "UPDATE trade_info SET status_id = 2 WHERE request_id = %(adjusted)s",
    ),
    Plant(
        "rebalances_balance",
        "one side more",
        "UPDATE trade_info SET quantity = quantity + 0.0001 WHERE request_id = %(rebalance)s AND side = 'BUY'",
    ),
    Plant(
        "rebalances_balance",
        "one side gone",
        "DELETE FROM trade_info WHERE request_id = %(rebalance)s AND side = 'BUY'",
    ),
    Plant("rebalances_balance", "no trades", "DELETE FROM trade_info WHERE request_id = %(rebalance)s"),
    Plant("generated_trades_are_kept", "no trades", "DELETE FROM trade_info WHERE request_id = %(rebalance)s"),
    Plant(
        "trades_are_generated_once",
        "again",
        "INSERT INTO trade_info SELECT locality, gen_random_uuid(), request_id, account_id, symbol, side, quantity, "
        "price, currency, status_id FROM trade_info WHERE request_id = %(rebalance)s",
    ),
    Plant(
        "complete_requests_had_their_effect",
        "account gone",
        "DELETE FROM account_info WHERE account_id = %(profile_account)s",
    ),
    Plant(
        "complete_requests_had_their_effect",
        "not opened",
        "UPDATE account_info SET account_status = 'PENDING' WHERE account_id = %(onboarding_account)s",
    ),
    Plant(
        "complete_requests_had_their_effect",
        "opened without details",
        "UPDATE account_info SET strategy = NULL WHERE account_id = %(onboarding_account)s",
    ),
    Plant(
        "complete_requests_had_their_effect",
        "not closed",
        "UPDATE account_info SET account_status = 'ACTIVE' WHERE account_id = %(close_account)s",
    ),
    Plant(
        "account_changes_are_kept",
        "account behind",
        "UPDATE account_info SET version = 1 WHERE account_id = %(profile_account)s",
    ),
    Plant(
        "account_changes_are_kept",
        "no version",
        update_event("profile", "metadata = metadata - 'account_version'", "true"),
    ),
    Plant(
        "account_changes_are_made_once",
        "by two requests",
        "UPDATE request_info SET primary_account_id = %(profile_account)s WHERE request_id = %(adjusted)s",
    ),
    *(
        Plant(
            "last_account_change_is_visible",
            f"not seen after {story}",
            f"UPDATE account_info SET {change} WHERE account_id = %({story}_account)s",
        )
        for story, change in (
            ("onboarding", "base_currency = 'GBP'"),
            ("profile", "risk_profile = 'LOW'"),
            ("permission", "permissions = '{VIEW}'"),
            ("permission", "permissions = '{VIEW,TRADE,API}'"),
            ("close", "permissions = '{VIEW}'"),
        )
    ),
    Plant(
        "nothing_changes_a_closed_account",
        "changed after it",
        "WITH moved AS (UPDATE request_info SET primary_account_id = %(close_account)s WHERE request_id = %(profile)s "
        "RETURNING request_id) UPDATE request_event_log SET metadata = metadata || '{\"account_version\": 3}' "
        "WHERE request_id IN (SELECT request_id FROM moved) AND metadata ? 'account_version'",
    ),
]
