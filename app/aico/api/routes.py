"""Every route but those of the page, in the order of the description of the interface."""

from __future__ import annotations

from aico.api import (
    activity_routes,
    budget_routes,
    cline_compat,
    currency_routes,
    export_routes,
    extension_routes,
    forget_routes,
    health_routes,
    price_routes,
    project_routes,
    session_routes,
    socket,
    source_routes,
    summary_routes,
)

ROUTERS = (
    summary_routes.router,
    session_routes.router,
    export_routes.router,
    budget_routes.router,
    price_routes.router,
    project_routes.router,
    extension_routes.router,
    activity_routes.router,
    currency_routes.router,
    source_routes.router,
    forget_routes.router,
    cline_compat.router,
    health_routes.router,
    socket.router,
)
