"""Signal leaves the house: de-identified in files that others read, or all that is held of one patient."""
