"""The command `aico`, mostly as child processes."""
