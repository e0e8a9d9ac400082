"""Makes and improves encoders; the only package that imports torch."""
