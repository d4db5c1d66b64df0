"""Tests of Gemini CLI as a source."""
