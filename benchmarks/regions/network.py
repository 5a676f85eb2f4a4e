"""The network of three regions: links from clients to poolers to databases, near ones without delay."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from typing import Final

from benchmarks.regions.links import Links
from benchmarks.regions.place import REGION, WORKFLOWS, Place
from deploy.local import REGIONS
from deploy.local.layout import DATABASE
from deploy.local.ports import HOST, choose
from streams_app.settings import RegionSettings, Settings

REGIONAL: Final = "regional"
CENTRALIZED: Final = "centralized"
CENTRE: Final = REGION


class Network(AbstractContextManager["Network"]):
    """Nine links from clients to poolers, and five from poolers to databases: each to its own, the centre's to all.

    Near and far, either way of routing passes two proxies, so that their own cost is the same.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        to_poolers = [(f"client-{near}", far) for near in REGIONS for far in REGIONS]
        to_databases = [(f"pooler-{near}", far) for near in REGIONS for far in REGIONS if near in (far, CENTRE)]
        self._ends = [*to_poolers, *to_databases]
        ports = choose([f"{near}-to-{far}" for near, far in self._ends], {}, [])
        self._ports = {(near, far): ports[f"{near}-to-{far}"] for near, far in self._ends}
        self._exits = ExitStack()

    def __enter__(self) -> Network:
        poolers, servers = self._place.stack.pools, self._place.stack.servers
        targets = [
            (poolers if near.startswith("client-") else servers)[far].address.rpartition(":")[2]
            for near, far in self._ends
        ]
        links = [(self._ports[ends], int(target)) for ends, target in zip(self._ends, targets, strict=True)]
        self._links = self._exits.enter_context(Links(links))
        for region, pooler in poolers.items():
            self._exits.callback(self._place.set_databases, region, {})
            near = [far for start, far in self._ends if start == f"pooler-{region}"]
            entries = {name_of(far): self._entry(region, far) for far in near}
            self._place.set_databases(pooler.region, entries)
        return self

    def __exit__(self, *_: object) -> None:
        self._exits.close()

    def set_round_trip(self, seconds: float) -> None:
        """Every link between two different regions takes that long for a round trip."""
        self._links.set([0.0 if near.endswith(f"-{far}") else seconds for near, far in self._ends])

    def settings(self, client: str, routing: str, pool: int) -> Settings:
        """The application's settings in the region `client`."""
        return Settings.model_validate(
            {
                "workflows": WORKFLOWS,
                "database": self._place.database(pool),
                "routing": routing,
                "central_region": CENTRE,
                "regions": {
                    region: RegionSettings(
                        pooler=f"{HOST}:{self._ports[f'client-{client}', region]}",
                        server=self._place.stack.servers[region].address,
                        localities=localities,
                        pooler_database=name_of(region),
                    )
                    for region, localities in REGIONS.items()
                },
            }
        )

    def _entry(self, pooler: str, region: str) -> str:
        return f"host={HOST} port={self._ports[f'pooler-{pooler}', region]} dbname={DATABASE}"


def name_of(region: str) -> str:
    """What poolers call the region's database."""
    return f"{DATABASE}-{region}"
