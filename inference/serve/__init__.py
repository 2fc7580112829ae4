"""The student at work: windows in, findings out."""
