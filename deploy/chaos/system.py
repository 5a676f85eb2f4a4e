"""The system that faults are done to: the stack, the fault proxies, the workers and the load."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from deploy.chaos.load import Load
from deploy.chaos.proxy import HOST, Proxies, Proxy
from deploy.chaos.workers import Workers
from deploy.demo.run import ENVIRONMENT
from deploy.local import REGIONS, Stack
from deploy.local.ports import choose
from deploy.local.settings_files import VARIABLE
from deploy.local.users import write_private
from streams_app.settings import Settings, load_settings

WORKERS = 2


class System:
    """Everything that runs. Workers reach the regions through the proxies; all others go straight."""

    settings: Settings
    proxies: Proxies
    workers: Workers
    load: Load

    def __init__(self, stack: Stack, rate: float, seed: str) -> None:
        """`rate` is the load in requests a second, `seed` decides which requests they are."""
        self.stack = stack
        self.logs = stack.layout.root / "logs"
        self.load = Load(self.logs, rate, seed)
        self._stops = ExitStack()

    def start(self) -> None:
        """Start everything from nothing, with the load last. Raises StackError."""
        self.stack.clean()
        self.stack.up()
        os.environ.update({VARIABLE: str(self.stack.config_path), **ENVIRONMENT})
        self.settings = load_settings()
        ports = choose([f"proxy-{region}" for region in REGIONS], {}, [])
        self.proxies = Proxies(
            {
                region: Proxy(ports[f"proxy-{region}"], (HOST, self.stack.site.ports[f"pgbouncer-{region}"]))
                for region in REGIONS
            }
        )
        self._stops.callback(self.proxies.close)
        self.proxies.start()
        self.workers = Workers(self._workers_config(), self.logs, WORKERS)
        self._stops.callback(self.workers.stop)
        self.workers.start()
        self._stops.callback(self.load.stop)
        self.load.start()

    def stop(self) -> None:
        """Stop what was started, the load first; the stack stays."""
        self._stops.close()

    def _workers_config(self) -> Path:
        """The stack's configuration, with the proxies for poolers."""
        addresses = {f"pgbouncer-{region}": self.proxies.address(region) for region in REGIONS}
        path = self.stack.config_path.with_name("streams-workers.toml")
        write_private(path, with_poolers(self.stack.config_path.read_text("utf-8"), self.stack, addresses), None)
        return path


def with_poolers(config: str, stack: Stack, addresses: Mapping[str, str]) -> str:
    """The configuration with other addresses, by part, in the place of the poolers'."""
    for part, address in addresses.items():
        config = config.replace(f'pooler = "{stack.site.address(part)}"', f'pooler = "{address}"')
    return config
