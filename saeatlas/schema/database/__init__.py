"""Connections, the embedded server, migrations, and bulk copy."""
