"""Kill what must not matter, and count what is missing afterwards: `python -m deploy.chaos`."""
