"""Stand-in for Vapi and Twilio: speaks their HTTP APIs, plays scripted calls and posts their webhooks."""
