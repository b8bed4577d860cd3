"""Assistants, campaigns and their contacts, and the dialer that keeps a campaign's cap."""
