"""Every SQL statement of the gateway. Functions take a connection and never commit."""
