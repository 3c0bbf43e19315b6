"""Whether the features of a lobe lie together in space, against nulls."""
