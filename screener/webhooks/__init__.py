"""Messages to marketplaces: an outbox, signed deliveries until they arrive, and endpoints to deliver to."""
