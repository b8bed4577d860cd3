"""Who may come in: the public HTTP edge, organizations, API keys and the sources of webhooks."""
