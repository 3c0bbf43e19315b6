"""What the catalog holds: tables, views, migrations, connections and bulk copy."""
