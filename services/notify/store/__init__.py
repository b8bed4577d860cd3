"""Every SQL statement of notify. Functions take a connection and never commit.

The request role sees the rows of its organization by row level security; the worker role sees all, so
statements that both run name the organization where it matters.
"""
