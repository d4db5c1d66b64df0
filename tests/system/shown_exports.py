"""Shows exports to Prometheus as the collector's own exporter does: the last of each instance, names translated.

It stands where `exporters.prometheus` of `deploy/otel/collector.yaml` would, with the labels that `transform` there
adds. Source: OpenTelemetry's "Prometheus and OpenMetrics Compatibility", and the collector's translator.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.otlp.fake_collector import Export, FakeCollector

TRANSLATOR = "tests/system/shown_exports.py, in the place of the collector's Prometheus exporter"
_UNITS = {"s": "seconds", "%": "percent", "1": ""}
"""Units that the translator has words for, of those that we use; others stay as they are."""
_LABELS_OF_RESOURCE = ("host.name", "deployment.environment")


def translate(name: str, kind: str, unit: str) -> str:
    """Return what Prometheus calls a metric."""
    parts = re.findall(r"[A-Za-z0-9:]+", name)
    word = _UNITS.get(unit, unit)
    if word and word not in parts:
        parts.append(word)
    if kind == "counter":
        parts = [*(part for part in parts if part != "total"), "total"]
    return "_".join(parts)


def render(exports: Mapping[str, Export]) -> str:
    """Return the exposition of the last export of each instance."""
    kinds: dict[str, str] = {}
    samples: dict[str, list[str]] = {}
    for instance, export in exports.items():
        resource = export.resource
        common = {"job": resource["service.name"], "instance": instance}
        common |= {name: resource[name] for name in _LABELS_OF_RESOURCE}
        for (metric, labels), point in export.points.items():
            kind, unit = export.kinds[metric]
            name = translate(metric, kind, unit)
            kinds[name] = kind
            samples.setdefault(name, []).append(f"{name}{_labels({**common, **dict(labels)})} {point.value!r}")
        info = {"job": common["job"], "instance": instance}
        info |= {name: text for name, text in resource.items() if not name.startswith("service.")}
        kinds["target_info"] = "gauge"
        samples.setdefault("target_info", []).append(f"target_info{_labels(info)} 1")
    return "".join(f"# TYPE {name} {kinds[name]}\n" + "\n".join([*lines, ""]) for name, lines in samples.items())


def _labels(labels: Mapping[str, str]) -> str:
    pairs = ((re.sub(r"[^A-Za-z0-9_]", "_", name), text) for name, text in labels.items())
    quoted = (f'{name}="{text}"' for name, text in pairs)
    return "{" + ",".join(quoted) + "}"


class Shown:
    """The exports that are shown now."""

    def __init__(self, fake: FakeCollector, authority: str) -> None:
        self._fake = fake
        self.authority = authority
        self.expired: set[str] = set()
        """Host names that the collector has forgotten."""

    def exports(self) -> dict[str, Export]:
        """Return the last export of each instance that is not expired."""
        last = {each.resource["service.instance.id"]: each for each in list(self._fake.accepted) if each.points}
        return {name: each for name, each in last.items() if each.resource["host.name"] not in self.expired}


@contextmanager
def shown(fake: FakeCollector) -> Iterator[Shown]:
    """Serve what ``fake`` has accepted until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the library's name
            body = render(found.exports()).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the library's name
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Shown(fake, f"127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
