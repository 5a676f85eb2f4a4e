"""Regional databases: which region, which pool, which statement."""

from streams_app.databases.pools import Databases
from streams_app.databases.regions import Region, Regions, locality_of
from streams_app.databases.statements import Statements

__all__ = ["Databases", "Region", "Regions", "Statements", "locality_of"]
