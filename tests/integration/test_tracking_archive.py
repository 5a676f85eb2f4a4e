"""Days of the logs leave the database for files: nothing is lost, whatever happens on the way."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import date, datetime
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result

from streams_app.databases.connecting import connect_arguments
from streams_app.settings import Settings
from streams_app.systems.tracking import archive, archive_files, archive_prune
from streams_app.systems.tracking.archive import Outcome, archive_day, server_digest
from streams_app.systems.tracking.archive_commands import archive_command, days_command, prune_command, read_command
from streams_app.systems.tracking.archive_files import ArchiveError, file_of, load_manifest, manifest_of, read_rows
from streams_app.systems.tracking.archive_prune import Place, owner, prune_partition, would_prune
from streams_app.systems.tracking.archive_rows import prune_keys, prune_rows
from streams_app.systems.tracking.days import LOGS, POSTGRES, Day, bounds
from tests.integration.tracking_days import REGION, ago, fill, find_day, keys_of, make_day, rows_of, server

pytestmark = pytest.mark.stack

PRODUCTION, CONSUMPTION = LOGS


class StoppedError(Exception):
    """The process ends here."""


@pytest.fixture
def connection(fresh_settings: Settings) -> Iterator[psycopg.Connection]:
    """The owner's connection to one region; the days that a test made are gone afterwards."""
    with server(fresh_settings) as opened:
        yield opened
        for (name, *_), day in ((row, row[0][-8:]) for row in opened.execute(POSTGRES["partitions"])):
            if day < ago(5).strftime("%Y%m%d"):
                opened.execute(f"DROP TABLE {name}".encode())
        opened.execute(b"TRUNCATE event_production_key, event_consumption_key")


@pytest.fixture
def place(fresh_settings: Settings, tmp_path: Path) -> Iterator[Place]:
    """The region, as `tracking prune` has it."""
    with owner(fresh_settings, REGION) as opened:
        yield Place(opened, REGION, tmp_path)


@pytest.fixture
def archived(fresh_settings: Settings, connection: psycopg.Connection, tmp_path: Path) -> Callable[[int], Day]:
    """Makes a day, so many days ago, fills it and archives its published events."""

    def make(days: int) -> Day:
        fill(connection, ago(days))
        day = Day(PRODUCTION, ago(days))
        assert archive_day(fresh_settings, REGION, day, tmp_path).result == "archived"
        return day

    return make


def path_of(place: Place, day: Day) -> Path:
    return file_of(place.into, REGION, day.log, day.day)


def again(connection: psycopg.Connection, place: Place, day: Day) -> Outcome:
    """Prune the day as the server has it now."""
    found = find_day(connection, day.log, day.day)
    assert found is not None
    return prune_partition(place, found)


def same(stored: dict[str, Any], read: dict[str, Any]) -> bool:
    """Whether a row of an archive is the row that the database had."""
    assert stored.keys() == read.keys()
    times = {name for name, value in stored.items() if isinstance(value, datetime)}
    return all(
        datetime.fromisoformat(read[name]) == stored[name] if name in times else read[name] == stored[name]
        for name in stored
    )


def run(settings: Settings, stack: Any, command: Any, *words: str) -> Result:
    environment = {"STREAMS_CONFIG": str(stack.config_path), "STREAMS_DATABASE__NAME": settings.database.name}
    return CliRunner().invoke(command, words, env=environment)


def said(result: Result) -> dict[tuple[str, str], Any]:
    return {(o["log"], o["day"]): o for o in json.loads(result.stdout)}


def test_a_day_goes_and_its_neighbours_stay(
    fresh_settings: Settings, stack: Any, connection: psycopg.Connection, tmp_path: Path
) -> None:
    gone, opened, young = ago(40), ago(39), ago(20)
    for day, still_open in ((gone, 0), (opened, 1), (young, 0)):
        fill(connection, day, opened=still_open)
    before = {(log, day): rows_of(connection, log, day) for log in LOGS for day in (gone, opened, young)}

    done = run(fresh_settings, stack, archive_command, "--region", REGION, "--into", str(tmp_path), "--json")
    assert done.exit_code == 0, done.output
    results = {key: outcome["result"] for key, outcome in said(done).items()}
    assert results == {
        (PRODUCTION, str(gone)): "archived",
        (CONSUMPTION, str(gone)): "archived",
        (PRODUCTION, str(opened)): "stays",
        (CONSUMPTION, str(opened)): "archived",
    }
    for log in LOGS:
        read = [json.loads(line) for line in read_rows(file_of(tmp_path, REGION, log, gone))]
        assert len(read) == 25
        assert all(same(*pair) for pair in zip(before[log, gone], read, strict=True))
        manifest = load_manifest(file_of(tmp_path, REGION, log, gone))
        assert manifest is not None
        assert manifest.columns == list(before[log, gone][0])
        assert (manifest.rows, manifest.first_id, manifest.last_id) == (25, read[0]["id"], read[-1]["id"])

    pruned = run(fresh_settings, stack, prune_command, "--region", REGION, "--from", str(tmp_path), "--yes", "--json")
    assert pruned.exit_code == 0, pruned.output
    assert said(pruned)[PRODUCTION, str(opened)]["why"] == "1 of its events are open"
    for log in LOGS:
        assert find_day(connection, log, gone) is None
        assert rows_of(connection, log, young) == before[log, young]
    assert rows_of(connection, PRODUCTION, opened) == before[PRODUCTION, opened]
    assert find_day(connection, CONSUMPTION, opened) is None
    # The keys of the day that stays in one log stay beside that log.
    assert keys_of(connection, gone) == [0, 0]
    assert keys_of(connection, opened) == [26, 0]
    assert keys_of(connection, young) == [25, 25]

    file = str(file_of(tmp_path, REGION, PRODUCTION, gone))
    shown = run(fresh_settings, stack, read_command, file, "--event-id", f"{gone}-7", "--json")
    assert [json.loads(line)["event_id"] for line in shown.stdout.rstrip("\n").split("\n")] == [f"{gone}-7"]
    # As the server wrote it: a parser would have made it shorter.
    assert '"exact": 0.10000000000000000001' in shown.stdout
    assert "warning" not in shown.output
    assert run(fresh_settings, stack, read_command, file, "--limit", "3").exit_code == 0


def test_the_list_of_days(fresh_settings: Settings, stack: Any, connection: psycopg.Connection, tmp_path: Path) -> None:
    for days, opened in ((40, 0), (39, 2), (20, 0)):
        fill(connection, ago(days), opened=opened)
    done = run(fresh_settings, stack, days_command, "--region", REGION, "--ahead", "3", "--json")
    assert done.exit_code == 0, done.output
    states = {(d["log"], d["day"]): (d["state"], d["open"]) for d in json.loads(done.stdout)["days"]}
    assert states[PRODUCTION, str(ago(40))] == ("may be archived", 0)
    assert states[PRODUCTION, str(ago(39))] == ("kept: it has open events", 2)
    assert states[CONSUMPTION, str(ago(20))] == ("kept", 0)
    assert states[CONSUMPTION, str(ago(-3))] == ("ahead", 0)


def test_nothing_is_changed_by_a_dry_run(
    fresh_settings: Settings, stack: Any, connection: psycopg.Connection, tmp_path: Path
) -> None:
    fill(connection, ago(40))
    place = ("--region", REGION, "--dry-run", "--json")
    done = run(fresh_settings, stack, archive_command, "--into", str(tmp_path), *place)
    assert {o["result"] for o in said(done).values()} == {"would be archived"}
    assert list(tmp_path.rglob("*.gz")) == []
    done = run(fresh_settings, stack, prune_command, "--from", str(tmp_path), *place)
    assert {o["why"] for o in said(done).values()} == {"it is not archived: run `tracking archive`"}
    assert done.exit_code == 1
    assert len(rows_of(connection, PRODUCTION, ago(40))) == 25
    assert keys_of(connection, ago(40)) == [25, 25]


def test_an_empty_day_goes_too(fresh_settings: Settings, connection: psycopg.Connection, place: Place) -> None:
    make_day(connection, ago(40))
    day = Day(PRODUCTION, ago(40))
    assert archive_day(fresh_settings, REGION, day, place.into).rows == 0
    assert again(connection, place, day).result == "dropped"


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def one_row_less(path: Path) -> None:
    archive_files.write_rows(path, [line.decode() for line in read_rows(path)][1:])


@pytest.mark.parametrize("damage", [flip, cut, one_row_less, Path.unlink])
def test_a_damaged_file_is_refused(
    connection: psycopg.Connection, place: Place, archived: Callable[[int], Day], damage: Callable[[Path], None]
) -> None:
    day = archived(40)
    damage(path_of(place, day))
    assert would_prune(place, day).result == "refused"
    assert again(connection, place, day).result == "refused"
    assert len(rows_of(connection, PRODUCTION, day.day)) == 25


def test_a_damaged_manifest_is_refused(
    connection: psycopg.Connection, place: Place, archived: Callable[[int], Day]
) -> None:
    day = archived(40)
    where = manifest_of(path_of(place, day))
    where.write_bytes(where.read_bytes()[:-9])
    assert "damaged" in again(connection, place, day).why
    assert len(rows_of(connection, PRODUCTION, day.day)) == 25


def change(connection: psycopg.Connection, day: Day) -> None:
    connection.execute(
        b"UPDATE event_production_log SET error_message = 'another' WHERE event_id = %s", (f"{day.day}-3",)
    )


def test_a_row_that_was_changed_is_refused_until_it_is_archived(
    fresh_settings: Settings, connection: psycopg.Connection, place: Place, archived: Callable[[int], Day]
) -> None:
    day = archived(40)
    change(connection, day)
    assert "not the 25 of its archive" in again(connection, place, day).why
    assert len(rows_of(connection, PRODUCTION, day.day)) == 25
    assert archive_day(fresh_settings, REGION, day, place.into).result == "archived"
    assert archive_day(fresh_settings, REGION, day, place.into).result == "is archived"
    assert again(connection, place, day).result == "dropped"


def test_a_row_that_is_changed_before_the_detachment_comes_back_with_its_day(
    fresh_settings: Settings,
    connection: psycopg.Connection,
    place: Place,
    archived: Callable[[int], Day],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    day, detach = archived(40), archive_prune.detach
    monkeypatch.setattr(archive_prune, "detach", lambda *of, **how: (change(connection, day), detach(*of, **how)))
    assert "not the 25 of its archive" in again(connection, place, day).why
    assert len(rows_of(connection, PRODUCTION, day.day)) == 25
    monkeypatch.undo()
    assert archive_day(fresh_settings, REGION, day, place.into).result == "archived"
    assert again(connection, place, day).result == "dropped"


def test_rows_of_another_region_keep_a_day(
    connection: psycopg.Connection, place: Place, archived: Callable[[int], Day]
) -> None:
    day = archived(40)
    connection.execute(
        b"INSERT INTO event_production_log (region, event_id, service_name, topic, event_type, payload, shard,"
        b" created_at) VALUES ('us-west', 'e', 's', 't', 'T', '{}', 0, %s)",
        (bounds(day.day)[0],),
    )
    assert "1 rows of other regions" in again(connection, place, day).why
    assert len(rows_of(connection, PRODUCTION, day.day)) == 26


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", ["mark", "detach", "check_detached", "forget", "drop"])
def test_stopped_at_any_step_it_goes_on(
    fresh_settings: Settings,
    connection: psycopg.Connection,
    place: Place,
    archived: Callable[[int], Day],
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    when: str,
) -> None:
    day, real = archived(40), getattr(archive_prune, step)
    before = rows_of(connection, PRODUCTION, day.day)

    def stop(*arguments: Any, **named: Any) -> None:
        if when == "after":
            real(*arguments, **named)
        raise StoppedError

    monkeypatch.setattr(archive_prune, step, stop)
    with pytest.raises(StoppedError):
        prune_partition(place, day)
    monkeypatch.undo()
    if (step, when) != ("drop", "after"):
        assert again(connection, place, day).result == "dropped"
    assert find_day(connection, PRODUCTION, day.day) is None
    read = [json.loads(line) for line in read_rows(path_of(place, day))]
    assert all(same(*pair) for pair in zip(before, read, strict=True))
    assert prune_keys(place, PRODUCTION, [], ago(30)).rows == 25


def test_stopped_while_a_file_is_written(
    fresh_settings: Settings, connection: psycopg.Connection, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(connection, ago(40))
    day, seen = Day(PRODUCTION, ago(40)), count()
    with pytest.raises(StoppedError):
        archive_day(fresh_settings, REGION, day, place.into, lambda: stopped() if next(seen) == 10 else None)
    assert [path.suffix for path in (place.into / REGION).iterdir()] == [".partial"]
    assert again(connection, place, day).why == "it is not archived: run `tracking archive`"
    monkeypatch.setattr(archive, "write_manifest", stopped)
    with pytest.raises(StoppedError):
        archive_day(fresh_settings, REGION, day, place.into)
    monkeypatch.undo()
    assert again(connection, place, day).why == "it is not archived: run `tracking archive`"
    assert archive_day(fresh_settings, REGION, day, place.into).result == "archived"
    assert not list((place.into / REGION).glob("*.partial"))
    assert again(connection, place, day).result == "dropped"


def stopped(*_: Any) -> None:
    raise StoppedError


def test_the_only_copy_is_not_written_over(
    fresh_settings: Settings, connection: psycopg.Connection, place: Place, archived: Callable[[int], Day]
) -> None:
    day = archived(40)
    assert again(connection, place, day).result == "dropped"
    make_day(connection, ago(41))
    connection.execute(f"DROP TABLE {Day(CONSUMPTION, ago(40)).table}".encode())
    make_day(connection, ago(40))
    with pytest.raises(ArchiveError, match="only copy"):
        archive_day(fresh_settings, REGION, day, place.into)
    assert len(list(read_rows(path_of(place, day)))) == 25


def test_a_detachment_that_was_begun_is_finished(
    fresh_settings: Settings, connection: psycopg.Connection, place: Place, archived: Callable[[int], Day]
) -> None:
    day = archived(40)
    place.connection.execute(b"SET lock_timeout = '200ms'")
    with server(fresh_settings, "app") as reader, reader.transaction():
        reader.execute(b"SELECT count(*) FROM event_production_log")
        assert "run the command again" in again(connection, place, day).why
    found = find_day(connection, PRODUCTION, day.day)
    assert found is not None
    assert found.detaching
    assert rows_of(connection, PRODUCTION, day.day) == []
    assert again(connection, place, day).result == "dropped"


def test_writers_go_on_while_days_come_and_go(
    fresh_settings: Settings, connection: psycopg.Connection, place: Place, archived: Callable[[int], Day]
) -> None:
    days = [archived(number) for number in (40, 41, 42)]
    written, failures, ended, reading = [], [], threading.Event(), threading.Event()

    def write(number: int) -> None:
        address, name = fresh_settings.pooler_of(REGION, "app")
        try:
            with psycopg.connect(**connect_arguments(fresh_settings.database, address, "app", name)) as writer:
                while not ended.is_set():
                    with writer.transaction():
                        writer.execute(b"SET LOCAL lock_timeout = '500ms'")
                        writer.execute(
                            b"INSERT INTO event_production_log (region, event_id, service_name, topic, event_type,"
                            b" payload, shard) VALUES (%s, %s, 's', 't', 'T', '{}', 0)",
                            (REGION, f"w{number}-{len(written)}"),
                        )
                    written.append(number)
        except psycopg.Error as error:
            failures.append(error)

    def read() -> None:
        # The detachment waits for this transaction; nobody may wait behind it.
        with server(fresh_settings, "app") as reader, reader.transaction():
            reader.execute(b"SELECT count(*) FROM event_production_log")
            reading.set()
            time.sleep(1.5)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    threads.append(threading.Thread(target=read))
    for thread in threads:
        thread.start()
    assert reading.wait(10)
    try:
        counts = []
        for day in days:
            counts.append(len(written))
            assert again(connection, place, day).result == "dropped"
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert failures == []
    assert len(written) > counts[-1] > 0


def test_one_prune_at_a_time(fresh_settings: Settings, place: Place) -> None:
    with pytest.raises(ArchiveError, match="another `tracking prune`"), owner(fresh_settings, REGION):
        pass


def test_where_there_are_no_partitions_archived_rows_are_removed(
    connection: psycopg.Connection, place: Place, archived: Callable[[int], Day]
) -> None:
    day = archived(40)
    change(connection, day)
    assert prune_rows(place, day).why == "1 of its rows are not as the archive has them; 24 were removed"
    assert [row["event_id"] for row in rows_of(connection, PRODUCTION, day.day)] == [f"{day.day}-3"]
    connection.execute(b"DELETE FROM event_production_log WHERE created_at < %s", (bounds(ago(5))[0],))
    assert prune_rows(place, day).result == "removed"


def test_consumed_rows_are_removed_by_event_and_group(
    fresh_settings: Settings, connection: psycopg.Connection, place: Place
) -> None:
    fill(connection, ago(40))
    day = Day(CONSUMPTION, ago(40))
    archive_day(fresh_settings, REGION, day, place.into)
    assert prune_rows(place, day).rows == 25


def test_the_keys_of_what_was_not_processed_go_with_their_day(
    fresh_settings: Settings, connection: psycopg.Connection, place: Place
) -> None:
    fill(connection, ago(40))
    failed = f"{ago(40)}-3"
    connection.execute(b"UPDATE event_consumption_key SET processed_at = NULL WHERE event_id = %s", (failed,))
    day = Day(CONSUMPTION, ago(40))
    archive_day(fresh_settings, REGION, day, place.into)
    assert again(connection, place, day).result == "dropped"
    assert keys_of(connection, ago(40)) == [25, 24]
    # The others stay for as long as their events may come again.
    left = connection.execute(b"SELECT event_id FROM event_consumption_key").fetchall()
    assert (failed,) not in left


def test_days_without_partitions_are_those_with_rows(connection: psycopg.Connection) -> None:
    def days(log: str) -> list[date]:
        found = connection.execute(archive.SQL[f"days_{log}"], {"region": REGION}).fetchall()
        return [day for (day,) in found if day < ago(5)]

    for number in (40, 38):
        fill(connection, ago(number))
    make_day(connection, ago(39))
    assert [days(log) for log in LOGS] == [[ago(40), ago(38)]] * 2


def test_the_digest_goes_over_many_parts(
    fresh_settings: Settings, connection: psycopg.Connection, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(connection, ago(40), count=10_500)
    day = Day(PRODUCTION, ago(40))
    assert archive_day(fresh_settings, REGION, day, place.into).rows == 10_500
    manifest = load_manifest(path_of(place, day))
    assert manifest is not None
    assert manifest.last_id is not None
    assert manifest.first_id is not None
    assert manifest.last_id // 10_000 > manifest.first_id // 10_000
    assert server_digest(connection, REGION, day, PRODUCTION)[0] == manifest.rows
    assert prune_keys(place, PRODUCTION, [ago(40)], ago(30)).rows == 0
    assert prune_keys(place, PRODUCTION, [], ago(30)).rows == 10_500
