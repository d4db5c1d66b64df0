"""Refusals for callers of the HTTP or WebSocket interface."""

from __future__ import annotations

from aico.core.errors.root import ObserverError


class RequestRefused(ObserverError):
    """A request that is not served."""


class RequestMalformed(RequestRefused):
    """The request is none that HTTP or WebSocket know."""

    code = "request_malformed"
    hint = "Speak HTTP/1.1; a WebSocket begins with a handshake of version 13."

    def __init__(self) -> None:
        super().__init__("This is no valid HTTP request.")


class RequestTimeout(RequestRefused):
    """The request was not complete in time."""

    code = "request_timeout"
    hint = "Send the whole request at once."

    def __init__(self, limit_s: float) -> None:
        super().__init__(f"The request was not complete within {limit_s:g} s.")


class RequestInvalid(RequestRefused):
    """A parameter or body that the interface does not know or cannot take."""

    code = "request_invalid"
    hint = "The endpoint's parameters are in /openapi.json."

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}.")
        self.field = field


class TokenRequired(RequestRefused):
    """A token is set and the caller did not show it; or none is set and the caller is on another machine."""

    code = "token_required"
    hint = (
        "Send `Authorization: Bearer <token>`, or open the link that `aico serve` printed. "
        "Where no token is set yet, set AICO_TOKEN."
    )

    def __init__(self, *, is_set: bool = True) -> None:
        elsewhere = "A caller on another machine, also through a proxy or a tunnel, needs a token, and none is set."
        super().__init__("This service asks for its token." if is_set else elsewhere)
        self.is_set = is_set


class OriginRefused(RequestRefused):
    """A web page of another origin tried to call."""

    code = "origin_refused"
    hint = "Add the page's origin to AICO_ALLOWED_ORIGINS if you trust it."

    def __init__(self, *, is_own_only: bool = False) -> None:
        super().__init__(
            "Switches and labels are changed by the service's own page or by a program of this machine only."
            if is_own_only
            else "Web pages of this origin may not call this service."
        )
        self.is_own_only = is_own_only
        if is_own_only:
            self.hint = "Use the service's own page, or a command such as `aico sources`; no setting lets another page."


class CallerRefused(RequestRefused):
    """A program on another machine tried to change what only the user and our own page may change."""

    code = "caller_refused"
    hint = "Use the page of this service, or a program on its machine."

    def __init__(self) -> None:
        super().__init__("A program on another machine may not change switches and names.")


class HostRefused(RequestRefused):
    """The Host header names neither this machine nor a listed name (DNS rebinding)."""

    code = "host_refused"
    hint = (
        "Open the service by 127.0.0.1, localhost or [::1], at any port, "
        "or add the name, with its port if that is another one than ours, to AICO_ALLOWED_HOSTS."
    )

    def __init__(self, reason: str) -> None:
        super().__init__(f"The Host header {reason}.")


class HeadTooLarge(RequestRefused):
    """Address and headers exceed the limit."""

    code = "head_too_large"
    hint = "Delete the cookies that other local pages left for this address, or send fewer headers."

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"The address and headers of the request exceed {limit_bytes} bytes.")


class BodyTooLarge(RequestRefused):
    """The request body exceeds the limit."""

    code = "body_too_large"
    hint = "No request of this interface needs more than 64 KiB."

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"The request body exceeds {limit_bytes} bytes.")


class TooManyConnections(RequestRefused):
    """``max_sockets`` WebSocket connections are open, or as many of all kinds as the process can bear."""

    code = "too_many_connections"
    hint = "Close other pages, or raise AICO_MAX_SOCKETS."

    def __init__(self, limit: int) -> None:
        super().__init__(f"All {limit} connections are in use.")


class SourceUnknown(RequestRefused):
    """No source, or no origin of a source, has this id."""

    code = "source_unknown"
    hint = "`GET /api/sources` and `aico sources` list the sources and their origins."

    def __init__(self, name: str) -> None:
        super().__init__("There is no source or origin of this name.")
        self.name = name


class SourceFixed(RequestRefused):
    """The configuration decides whether this origin is read, so the switch has no say."""

    code = "source_fixed"
    hint = "Change or remove the setting that decides it, and start the service anew."

    def __init__(self, name: str, fixed_by: str) -> None:
        super().__init__(f"Whether {name} is read is decided by {fixed_by}.")
        self.name = name
        self.fixed_by = fixed_by


class SettingFixed(RequestRefused):
    """The configuration decides a budget or a plan, so page and command have no say."""

    code = "setting_fixed"
    hint = "Change or remove the setting that decides it, and start the service anew."

    def __init__(self, fixed_by: str) -> None:
        super().__init__(f"This is decided by {fixed_by}.")
        self.fixed_by = fixed_by


class BudgetUnknown(RequestRefused):
    """No budget has this name."""

    code = "budget_unknown"
    hint = "`GET /api/budgets` and `aico budget list` list the budgets."

    def __init__(self) -> None:
        super().__init__("There is no budget of this name.")


class PlanUnknown(RequestRefused):
    """The source is not marked as paid by subscription."""

    code = "plan_unknown"
    hint = "`GET /api/plans` and `aico plan list` list the plans."

    def __init__(self) -> None:
        super().__init__("There is no plan of this source.")


class WebhookMissing(RequestRefused):
    """No webhook is set that could be called."""

    code = "webhook_missing"
    hint = "Set one by `aico webhook set URL`, or in the configuration; no request can."

    def __init__(self) -> None:
        super().__init__("There is no webhook.")


class PairingRequired(RequestRefused):
    """A report of the browser extension without the token of a pairing that holds."""

    code = "pairing_required"
    hint = "Pair the browser anew: `aico activity --pair`, or the page, gives a token for the options of the extension."

    def __init__(self) -> None:
        super().__init__("This browser is not paired.")


class PairingUnknown(RequestRefused):
    """No pairing that holds has this number."""

    code = "pairing_unknown"
    hint = "`GET /api/activity/pairings` lists them."

    def __init__(self) -> None:
        super().__init__("There is no pairing of this number.")


class ReportsTooMany(RequestRefused):
    """The browser extension, or what says that it is, reports far more often than it needs to."""

    code = "reports_too_many"
    hint = "Wait, and send what was seen meanwhile in one report. One every 30 seconds is enough."

    def __init__(self) -> None:
        super().__init__("Too many reports.")


class SourceOff(RequestRefused):
    """Nothing of this source is read, so nothing of it can be imported."""

    code = "source_off"
    hint = "Switch it on first: `aico sources on NAME`."

    def __init__(self, name: str, fixed_by: str | None = None) -> None:
        super().__init__(f"{name} is not read.")
        self.name = name
        self.fixed_by = fixed_by
        if fixed_by is not None:
            self.hint = f"The setting {fixed_by} decides it. Change or remove it, and start the service anew."


class SessionUnknown(RequestRefused):
    """No session of this id is stored for this source."""

    code = "session_unknown"
    hint = "`GET /api/sessions` lists the stored sessions."

    def __init__(self) -> None:
        super().__init__("There is no session of this id.")


class PriceUnknown(RequestRefused):
    """No own price has this name, or none of this day."""

    code = "price_unknown"
    hint = "`GET /api/prices` and `aico price list` list the own prices."

    def __init__(self) -> None:
        super().__init__("There is no own price of this name and day.")


class PriceFixed(RequestRefused):
    """The configuration file says this price, or this currency."""

    code = "price_fixed"
    hint = "Change the configuration file, and start the service anew: `aico config show` says where it is."

    def __init__(self, what: str) -> None:
        super().__init__(f"The configuration file decides {what}.")


class RouteNotFound(RequestRefused):
    """No such route."""

    code = "not_found"
    hint = "The endpoints are listed in /openapi.json."

    def __init__(self) -> None:
        super().__init__("There is nothing at this address.")


class MethodNotAllowed(RequestRefused):
    """The route exists, but not for this method."""

    code = "method_not_allowed"
    hint = "The endpoints and their methods are listed in /openapi.json."

    def __init__(self) -> None:
        super().__init__("This address does not take this method.")
