"""HTTP and WebSocket: every answer, every refusal."""
