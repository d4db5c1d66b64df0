"""Claude Code: the transcripts of its sessions and of the agents that they start."""
