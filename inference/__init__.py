"""Everything with gradients or signal processing: beats, quality, the student, its training and its serving."""
