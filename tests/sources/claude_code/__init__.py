"""Claude Code: its transcripts, as recorded and as invented."""
