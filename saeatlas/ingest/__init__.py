"""The outside world to tables: SAEs, activations and ready-made activation tables."""
