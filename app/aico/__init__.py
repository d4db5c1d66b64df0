"""AI Cost Observer: what AI coding tools cost, live, from their local ledgers.

Importing any module has no side effect.
"""

__version__ = "0.2.0"
