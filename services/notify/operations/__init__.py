"""What notify does, one verb per function; each opens its own transaction unless it is given a connection.

Requests run as the request role, for one organization; loops and consumers run as the worker role.
"""
