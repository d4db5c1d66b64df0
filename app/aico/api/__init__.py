"""HTTP and WebSocket: routes, schemas, the error table, the loopback security."""
