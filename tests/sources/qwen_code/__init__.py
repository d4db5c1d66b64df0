"""Tests of Qwen Code as a source."""
