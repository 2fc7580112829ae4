"""The beat path in compiled code: many patients' seconds in one call. See `bank.py`."""
