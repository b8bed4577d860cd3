"""Nouns, transitions and pure decisions. Nothing here does I/O or looks at a clock."""
