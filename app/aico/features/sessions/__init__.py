"""Cline's session store: a second store of the same source, read only when the operator asks for it."""
