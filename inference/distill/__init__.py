"""From a 12-lead teacher to a 1-lead student, through labelled and unlabelled recordings."""
