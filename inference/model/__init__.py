"""Networks, and how their weights travel."""
