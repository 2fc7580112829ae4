"""How fast, how small, how soon: `python -m benchmarks NAME`, one JSON line a figure."""
