"""From the wire to windows: the door, the log, order, gaps and windows."""
