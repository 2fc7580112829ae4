"""Where samples live for years: blocks of minutes, sealed and chained, read by patient and time."""
