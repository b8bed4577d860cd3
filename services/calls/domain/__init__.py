"""What calls, leads, rules and webhooks are, and every decision about them that needs no I/O."""
