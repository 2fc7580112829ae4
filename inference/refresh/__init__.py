"""The loop closes: unlabelled windows back into a better student, through a gate."""
