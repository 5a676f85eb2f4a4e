"""What must hold of account requests: each is the statement of its name in verify.sql, or one of ACROSS."""

from __future__ import annotations

from streams_app.verification import Check, Harm

# Where all regions are one database it says only that every row has a locality of some region.
ROWS_LIVE_IN_THEIR_REGION = Check(
    "rows_live_in_their_region", Harm.WRONG, "Every row lies in the region that its locality belongs to."
)
REQUESTS_ARE_UNIQUE = Check("requests_are_unique", Harm.DUPLICATED, "No request stands twice, in one region or in two.")
TRADES_ARE_UNIQUE = Check("trades_are_unique", Harm.DUPLICATED, "No trade stands twice, in one region or in two.")
SIGNALS_ARE_UNIQUE = Check("signals_are_unique", Harm.DUPLICATED, "No signal stands twice, in one region or in two.")
NUMBERS_ARE_UNIQUE = Check(
    "account_numbers_are_unique", Harm.DUPLICATED, "No account number belongs to two accounts, of whatever regions."
)
CLAIMS_NAME_THEIR_ACCOUNT = Check(
    "claims_name_their_account", Harm.WRONG, "A claimed number that an account has was claimed for that account, once."
)
# What compares all regions; the others look at one region each.
ACROSS = (
    REQUESTS_ARE_UNIQUE,
    TRADES_ARE_UNIQUE,
    SIGNALS_ARE_UNIQUE,
    NUMBERS_ARE_UNIQUE,
    CLAIMS_NAME_THEIR_ACCOUNT,
)

CHECKS: tuple[Check, ...] = (
    Check("workflow_tables", Harm.WRONG, "The static tables hold the workflows of the workflow file."),
    Check("rows_have_requests", Harm.LOST, "Every event, head, signal, account link and trade has its request."),
    Check("requests_have_heads", Harm.LOST, "Every request has a head, a new one soon after it was written."),
    Check("heads_have_events", Harm.LOST, "A request has a head exactly when it has events."),
    Check("first_event_is_initial", Harm.LOST, "The first event of a request is the initial node of its type."),
    Check("sequence_has_no_gaps", Harm.OUT_OF_ORDER, "The events of a request are numbered from 1, without a gap."),
    Check("head_is_last_event", Harm.OUT_OF_ORDER, "The head of a request equals its last event in every column."),
    Check("steps_are_allowed", Harm.OUT_OF_ORDER, "Every step is one that the workflow allows, on that outcome."),
    # A step after the end is nearly always an end that was reached a second time.
    Check("nothing_follows_the_end", Harm.DUPLICATED, "A request ends once: no event follows a terminal one."),
    Check("time_does_not_go_back", Harm.OUT_OF_ORDER, "Along its numbers the events of a request never get older."),
    Check("request_status_is_head_status", Harm.WRONG, "The status of a request is that of its head."),
    Check("event_status_is_node_status", Harm.WRONG, "The status of an event is that of its node in the workflow."),
    Check("causes_act_once", Harm.DUPLICATED, "No cause (idempotency key) moved a request twice."),
    Check("nodes_are_entered_once", Harm.DUPLICATED, "No request entered a node twice, unless its workflow loops."),
    Check("signals_act_once", Harm.DUPLICATED, "No signal was applied twice."),
    Check("signalled_steps_have_signals", Harm.WRONG, "A step made by a signal has that signal, of that kind."),
    Check("signals_are_heard", Harm.LOST, "No signal waits at a node that listens to it."),
    Check("nothing_is_stuck", Harm.LOST, "No incomplete request is past the deadline of its step."),
    Check("failures_have_reasons", Harm.WRONG, "The last event of a failed or cancelled request says why."),
    Check("notices_tell_how_requests_ended", Harm.WRONG, "A notice is of an ended request, and says how it ended."),
    Check("requests_live_with_their_account", Harm.WRONG, "The locality of a request is that of its primary account."),
    Check(
        "rows_live_with_their_request",
        Harm.WRONG,
        "Whatever belongs to a request has its locality.",
    ),
    ROWS_LIVE_IN_THEIR_REGION,
    *ACROSS,
    Check(
        "ended_requests_take_their_trades_along",
        Harm.WRONG,
        "Every trade of a failed or cancelled request is cancelled.",
    ),
    Check("complete_requests_leave_no_trade_open", Harm.WRONG, "No trade of a complete request is open."),
    Check("rebalances_balance", Harm.WRONG, "A complete rebalance has settled trades that buy as much as they sell."),
    Check("generated_trades_are_kept", Harm.LOST, "Every trade that an event says was generated is there."),
    Check(
        "trades_are_generated_once", Harm.DUPLICATED, "A request generates one trade per account, security and side."
    ),
    Check(
        "complete_requests_had_their_effect",
        Harm.LOST,
        "The account of a complete request is there: opened with its details, or closed, when that was asked for.",
    ),
    Check("account_changes_are_kept", Harm.LOST, "Every account change has a version, and the account reached it."),
    Check("account_changes_are_made_once", Harm.DUPLICATED, "No two events made the same version of an account."),
    Check("last_account_change_is_visible", Harm.LOST, "An account shows what the last change of it asked for."),
    Check("nothing_changes_a_closed_account", Harm.OUT_OF_ORDER, "No account was changed after it was closed."),
)
