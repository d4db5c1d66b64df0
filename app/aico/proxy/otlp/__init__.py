"""The way out to a collector, by OpenTelemetry's protocol. Imported only where an endpoint is set.

It needs the extra ``[otlp]``: the official SDK, the official encoder and gRPC.
"""
