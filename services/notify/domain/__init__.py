"""What notify decides, without any input or output: whom to alert, what to retry, whom not to write to, what
to sign."""
