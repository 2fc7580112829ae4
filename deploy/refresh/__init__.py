"""The loop that closes: from stored windows to a student that may serve, with a gate and a person in between."""
