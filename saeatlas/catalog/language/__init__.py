"""The query language, in layers: grammar, nodes, parse, names, compile."""
