"""Results of items that were bought and examined: the only labels there are, and what is learned from them."""
