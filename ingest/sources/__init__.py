"""Frames when no patient wears the device: recordings that play one, and a simulator with known truth."""
