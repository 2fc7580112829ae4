"""Every byte that outlives a process: SQL tables and their migrations, the live feed over Redis, the embedded log."""
