"""Makes and measures the classifier of buyers' texts, and measures the watch for bursts."""
