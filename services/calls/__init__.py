"""The record of phone calls, and the only service that talks to the voice provider."""
