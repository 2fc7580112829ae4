"""Published databases of labelled recordings: read, checked, split by patient."""
