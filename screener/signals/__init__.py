"""What buyers say of items: read, kept, counted by listing, and watched for bursts. Never a verdict by itself."""
