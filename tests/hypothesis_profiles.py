"""How many examples Hypothesis draws: ``dev`` for a quick run, ``ci`` for ``make check``, ``soak`` for many.

``HYPOTHESIS_PROFILE`` or pytest's ``--hypothesis-profile`` chooses; without either it is ``dev``. A test whose examples
take very long or no time at all asks for a share or a multiple of what the profile says.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

from tests.faults.fault_counts import IS_SOAK

EXAMPLES = {"dev": 25, "ci": 100, "soak": 5_000}
VARIABLE = "HYPOTHESIS_PROFILE"


def load() -> None:
    """Make the profiles known and choose one."""
    for name, count in EXAMPLES.items():
        # A busy machine is no fault of the code: no time counts. Nothing is kept on disk; a failure prints how to
        # repeat it.
        settings.register_profile(
            name,
            max_examples=count,
            deadline=None,
            database=None,
            print_blob=True,
            suppress_health_check=[HealthCheck.too_slow],
        )
    settings.load_profile(os.environ.get(VARIABLE) or ("soak" if IS_SOAK else "dev"))


def examples(factor: float) -> int:
    """Return ``factor`` times as many examples as the profile says, at least one."""
    return max(1, round(settings().max_examples * factor))
