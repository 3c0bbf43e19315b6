"""Which lobe each block belongs to, and which document types each lobe prefers."""
