"""Databases by domain: each with its own name, role and pool, on whatever server the settings say."""

from __future__ import annotations

from streams_app.databases.pools import Databases, Place
from streams_app.settings import Role, Settings


def domain_databases(settings: Settings, role: Role = "app") -> Databases:
    """The pools of the domains of allocations; a domain is what a region is elsewhere: what one transaction is in.

    `app` is each domain's own role.
    """
    return Databases(settings, role, places={name: place_of(settings, name, role) for name in domain_names(settings)})


def domain_names(settings: Settings) -> list[str]:
    """The domains that are set."""
    return list(settings.allocations.domains)


def place_of(settings: Settings, domain: str, role: Role) -> Place:
    """Where `role` finds a domain: through its pooler, the owner at the server itself."""
    found = settings.allocations.domains[domain]  # type: ignore[index]
    login = settings.database.model_copy(
        update={"app_user": found.user, "app_password": found.password, "app_password_file": found.password_file}
    )
    return Place(found.server if role == "owner" else found.pooler, found.database, login)
