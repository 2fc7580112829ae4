"""How well beats, runs and episodes are found, in tables along the lines of ANSI/AAMI EC57. Pure: reads no file."""
