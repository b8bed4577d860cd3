"""Every SQL statement of this service. Functions take a connection and never commit."""
