"""Faults under load: `make faults`, or `python -m tests.faults`."""
