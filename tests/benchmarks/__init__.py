"""How fast keys are checked, beside what others offer: `make bench`. README.md says how to read it."""
