"""What a task's values may be, whatever store they come from; the bounds are ours, so that no sum can overflow."""

from __future__ import annotations

ID_LENGTH_MAX = 128
MODEL_LENGTH_MAX = 200
COUNT_MAX = 10**12
COST_MAX = 10**6
TS_MAX = 253_402_300_799_999
"""The last millisecond of the year 9999."""
