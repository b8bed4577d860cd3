"""The gateway's nouns and decisions: keys, signatures, sources, kinds of webhooks. No I/O, no clock."""
