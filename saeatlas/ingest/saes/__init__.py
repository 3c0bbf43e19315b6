"""SAEs from sae-lens' registry, the hub and local files, to tables."""
