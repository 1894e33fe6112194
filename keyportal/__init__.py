"""What the whole installation shares: settings, policy, middleware and the public API."""
