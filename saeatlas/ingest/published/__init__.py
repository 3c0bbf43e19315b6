"""What others published about features: clusterings, maps and attributes, from files of any form."""
