"""Real servers on free loopback ports, for tests, chaos and trying things out. Never a production start-up."""
