"""A script by which a page notes its sockets. Pure data."""

from __future__ import annotations

SOCKETS = """(() => {
  window.sockets = { opened: [], closed: 0, last: null };
  window.WebSocket = class extends WebSocket {
    constructor(...given) {
      super(...given);
      sockets.opened.push(Date.now());
      sockets.last = this;
      this.addEventListener("close", () => sockets.closed++);
    }
  };
})()"""
"""Notes when sockets are opened and closed; ``sockets.last`` is the newest one."""
