"""The whole stack: starts its parts in order, awaits them, stops them, and can break and mend one."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import processes
from .connectors import check_templates
from .errors import PartError, StackError
from .java import find_jars
from .layout import PROJECT, REGIONS, Layout
from .parts.base import Part, Site
from .parts.connect import Connect
from .parts.kafka import Kafka
from .parts.pgbouncer import PgBouncer
from .parts.postgres import Postgres
from .parts.prometheus import Prometheus
from .ports import choose
from .settings_files import VARIABLE, forget_checkout, make_secrets, point_checkout_at, write_settings
from .state import Shape, State, locked
from .users import make_services_folder, service_user

logger = logging.getLogger(__name__)

Prepare = Callable[["Stack"], None]

# Kafka goes last: Connect hangs while it tries to say good-bye to a broker that is gone.
STOP_ORDER: tuple[tuple[type[Part], ...], ...] = ((Connect, Prometheus), (PgBouncer,), (Postgres,), (Kafka,))


def prepare_application(stack: Stack) -> None:
    """Make the tables and the topics with the application's own commands."""
    for command in (["migrate"], ["topics", "--create"]):
        stack.run_application(command)


class Stack:
    """One stack in one folder. Two in two folders do not meet; two commands on one wait for each other."""

    def __init__(self, root: Path, *, brokers: int | None = None, connectors: Sequence[str] | None = None) -> None:
        """`root` is the folder everything lies in; it is made by `up`.

        `brokers` is 1 or 3, `connectors` the templates of those that run in every region. None: as the stack in the
        folder has it, else one broker and the connectors of requests. Raises StackError when it has others.
        """
        self.layout = Layout(root.resolve())
        state = State.load(self.layout.state)
        self.shape = Shape(
            state.shape.brokers if brokers is None else brokers,
            state.shape.connectors if connectors is None else tuple(connectors),
        )
        self._check_shape(state)
        names = tuple(f"kafka-{number}" if number > 1 else "kafka" for number in range(1, self.shape.brokers + 1))
        self.site = Site(self.layout, state.ports, service_user(), names)
        self.brokers = [Kafka(self.site, name) for name in names]
        self.kafka = self.brokers[0]
        self.databases = {region: Postgres(self.site, region) for region in REGIONS}
        self.poolers = {region: PgBouncer(self.site, region) for region in REGIONS}
        self.connect = Connect(self.site, self.databases, self.shape.connectors)
        scrapers = [Prometheus(self.site)] if Prometheus.program() else []
        parts = [*self.brokers, *self.databases.values(), *self.poolers.values(), self.connect, *scrapers]
        self.parts: dict[str, Part] = {part.name: part for part in parts}
        self._records = threading.Lock()

    @property
    def config_path(self) -> Path:
        """The configuration for the application: the value of STREAMS_CONFIG."""
        return self.layout.config

    def up(self, prepare: Prepare = prepare_application) -> None:
        """Start what is not running, and return when changes of every region flow to Kafka.

        `prepare` makes tables, publication and topics, after databases and broker are up and before the
        connectors start. Whatever goes wrong, the parts started here are stopped again.
        Raises StackError, with the log tail of the part that failed.
        """
        check_templates(self.shape.connectors)
        self._make_root()
        with locked(self.layout.root):
            started: list[Part] = []
            try:
                self._up(prepare, started)
            except BaseException:
                self._stop(started)
                raise

    def down(self) -> None:
        """Stop every part; the data stays for the next `up`."""
        if self.layout.root.exists():
            with locked(self.layout.root):
                self._stop(self.parts.values())

    def clean(self) -> None:
        """Stop every part and remove the folder with everything in it."""
        if not self.layout.root.exists():
            return
        with locked(self.layout.root):
            self._stop(self.parts.values())
            forget_checkout(self.config_path)
            shutil.rmtree(self.layout.services.resolve(), ignore_errors=True)
            shutil.rmtree(self.layout.root)

    def kill(self, part: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to a part; after SIGKILL return when it is gone. `restart` mends it.

        Raises StackError when it does not run.
        """
        target = self.part(part)
        process = self._state().running(part)
        if process is None:
            raise StackError(f"{part} is not running")
        process.send(number)
        if number is signal.SIGKILL and not processes.wait_gone(process, target.stop_seconds):
            raise StackError(f"{part} does not end, even after SIGKILL")

    def restart(self, part: str) -> None:
        """Stop a part if it runs, start it on the same port with the same data, and await it."""
        target = self.part(part)
        self.addresses()
        with locked(self.layout.root):
            self._stop([target])
            self._launch([target], [])
            self._await([target])
            if target is self.connect:
                self.connect.await_connectors()

    def wait(self) -> None:
        """Return when no part runs any more."""
        while any(self._state().running(name) for name in self.parts):
            time.sleep(0.5)

    def addresses(self) -> dict[str, str]:
        """Where every part listens, by its name. Raises StackError before the first `up`."""
        if not self._state().ports:
            raise StackError(f"there is no stack in {self.layout.root}: use `up`")
        return {name: part.address for name, part in self.parts.items() if name in self.site.ports}

    def status(self) -> dict[str, dict[str, object]]:
        """For every part: state (ready, not ready, died, stopped), pid and address."""
        state = self._state()
        result: dict[str, dict[str, object]] = {}
        for name, part in self.parts.items():
            process = state.running(name)
            if process:
                word = "ready" if part.is_ready() else "not ready"
            else:
                word = "died" if name in state.processes else "stopped"
            address = part.address if name in state.ports else None
            result[name] = {"state": word, "pid": process.pid if process else None, "address": address}
        return result

    def part(self, name: str) -> Part:
        """The part called `name`. Raises StackError, naming them all, when there is none."""
        try:
            return self.parts[name]
        except KeyError:
            raise StackError(f"there is no part {name!r}; the parts are {', '.join(self.parts)}") from None

    def run_application(self, arguments: Sequence[str]) -> None:
        """Run a command of the application against this stack. Raises PartError with its output."""
        output = self.layout.log(arguments[0])
        with output.open("wb") as file:
            done = subprocess.run(
                [sys.executable, "-m", "faust", "-A", "streams_app", *arguments],
                cwd=PROJECT,
                env={**os.environ, VARIABLE: str(self.config_path)},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if done.returncode != 0:
            command = f"faust -A streams_app {' '.join(arguments)}"
            raise PartError(f"`{command}`", f"ended with status {done.returncode}", output)

    def _up(self, prepare: Prepare, started: list[Part]) -> None:
        find_jars()  # the download, with its progress bar, before anything runs
        self._choose_ports()
        make_services_folder(self.layout, self.site.user)
        make_secrets(self.layout)
        write_settings(self.site, self.shape.connectors)
        servers = [*self.brokers, *self.databases.values()]
        poolers = list(self.poolers.values())
        others = [part for part in self.parts.values() if part not in (*servers, *poolers)]
        logger.info("starting Kafka and PostgreSQL")
        self._launch(servers, started)
        self._await(servers)
        for database in self.databases.values():
            database.bootstrap()
        logger.info("starting PgBouncer and Kafka Connect")
        self._launch([*poolers, *others], started)
        self._await(poolers)
        logger.info("making tables and topics")
        prepare(self)
        self._await(others)
        logger.info("starting the connectors")
        self.connect.register_connectors()
        self.connect.await_connectors()
        point_checkout_at(self.config_path)

    def _make_root(self) -> None:
        if sys.platform != "linux":
            raise StackError("the local stack runs on Linux; elsewhere use deploy/compose.yaml")
        self.layout.root.mkdir(parents=True, exist_ok=True)
        owner = self.layout.root.stat().st_uid
        if owner != os.geteuid():
            # A stack with files of two users can be started by neither.
            raise StackError(
                f"{self.layout.root} belongs to the user with id {owner}: "
                "use --root for a folder of your own, or `clean` as that user"
            )

    def _check_shape(self, state: State) -> None:
        if state.ports and state.shape != self.shape:
            raise StackError(
                f"the stack in {self.layout.root} has {state.shape}; for {self.shape} remove it first, with `clean`"
            )

    def _choose_ports(self) -> None:
        state = self._state()
        self._check_shape(state)  # another command may have been the first to start it
        running = [part for name, part in self.parts.items() if state.running(name)]
        held = [port for part in running for port in part.ports]
        wanted = [port for part in self.parts.values() for port in part.ports]
        self.site.ports.update(choose(wanted, state.ports, held))
        state.ports, state.shape = dict(self.site.ports), self.shape
        state.save()

    def _launch(self, parts: Iterable[Part], started: list[Part]) -> None:
        """Start those of `parts` that do not run, side by side, and add them to `started`."""
        state = self._state()
        idle = [part for part in parts if not state.running(part.name)]
        started += idle
        # In threads, which no Ctrl-C interrupts between the start of a process and its record.
        with ThreadPoolExecutor(len(idle) or 1) as pool:
            list(pool.map(self._launch_one, idle))

    def _launch_one(self, part: Part) -> None:
        part.prepare()
        process = processes.start(part.command(), log=part.log, cwd=part.folder, user=part.user)
        if process is None:
            raise PartError(part.name, "ended at once", part.log)
        with self._records:
            state = self._state()
            state.processes[part.name] = process
            state.save()

    def _await(self, parts: Iterable[Part]) -> None:
        """Return when all `parts` are ready. Raises PartError when one ends or takes too long."""
        began = time.monotonic()
        waiting = list(parts)
        state = self._state()
        while waiting:
            part = waiting[0]
            if not state.running(part.name):
                raise PartError(part.name, "ended while it was starting", part.log)
            if part.is_ready():
                waiting.remove(part)
            elif time.monotonic() - began > part.start_seconds:
                raise PartError(part.name, f"was not ready after {part.start_seconds:.0f} s", part.log)
            else:
                time.sleep(processes.POLL_SECONDS)

    def _stop(self, parts: Iterable[Part]) -> None:
        chosen = list(parts)
        for kinds in STOP_ORDER:
            group = [part for part in chosen if isinstance(part, kinds)]
            with ThreadPoolExecutor(len(group) or 1) as pool:
                list(pool.map(self._stop_one, group))

    def _stop_one(self, part: Part) -> None:
        process = self._state().processes.get(part.name)
        if process is None:
            return
        processes.stop(process, part.stop_signal, part.stop_seconds)
        part.await_leftovers()
        with self._records:
            state = self._state()
            del state.processes[part.name]
            state.save()

    def _state(self) -> State:
        """The state as it is on disk now; another command may have changed it."""
        state = State.load(self.layout.state)
        self.site.ports.update(state.ports)
        return state
