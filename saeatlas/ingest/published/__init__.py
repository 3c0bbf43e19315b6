"""What others published of features: clusterings, maps and attributes, from files of any form."""
