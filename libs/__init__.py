"""What two or more services share. A library here knows no service."""
