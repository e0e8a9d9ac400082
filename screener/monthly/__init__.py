"""What a month brought: for the marketplace, and for each brand its own part."""
