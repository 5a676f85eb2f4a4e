"""Prometheus, when this machine has it: scrapes the workers that register in a targets file."""

from __future__ import annotations

import shutil
from pathlib import Path

from ..layout import TEMPLATES
from ..processes import service_environment
from ..rest import answers
from ..users import User, give, make_service_folder
from .base import Part, Site

TARGETS_FILE = "targets.json"
CONFIGURATION = ("prometheus.yml", "tracking-rules.yml", "trading-rules.yml")


class Prometheus(Part):
    """The scraper and its store of one day."""

    def __init__(self, site: Site) -> None:
        """`site` is the stack it watches."""
        super().__init__(site, "prometheus")

    @staticmethod
    def program() -> str | None:
        """The program on this machine, or None."""
        return shutil.which("prometheus", path=service_environment()["PATH"]) or shutil.which("prometheus")

    @property
    def address(self) -> str:
        """Its web page."""
        return f"http://{super().address}"

    @property
    def user(self) -> User | None:
        """It needs no rights at all."""
        return self.site.user

    @property
    def folder(self) -> Path:
        """Configuration, targets and data."""
        return self.site.layout.service(self.name)

    def prepare(self) -> None:
        """Write the configuration with its rules, and an empty targets file where there is none."""
        make_service_folder(self.folder, self.user)
        for name in CONFIGURATION:
            shutil.copyfile(TEMPLATES / "prometheus" / name, self.folder / name)
        targets = self.folder / TARGETS_FILE
        if not targets.exists():
            targets.write_text("[]\n", encoding="utf-8")
        for path in (*(self.folder / name for name in CONFIGURATION), targets):
            give(path, self.user)

    def command(self) -> list[str]:
        """The server, for this machine only."""
        return [
            self.program() or "prometheus",
            f"--config.file={self.folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            "--storage.tsdb.retention.time=1d",
            f"--web.listen-address={self.site.address(self.name)}",
            "--log.level=warn",
        ]

    def is_ready(self) -> bool:
        """True when it serves queries."""
        return answers(f"{self.address}/-/ready")
