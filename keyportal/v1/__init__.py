"""The public API: Checkly's contract, kept for keys that are issued here."""
