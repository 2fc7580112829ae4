"""What other limits, delays or another student would have done on signal that is already there. Reads, never writes."""
