"""Talks to people and to customers' systems: text messages, alerts, suppressions, signed webhooks."""
