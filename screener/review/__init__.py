"""What people decide about screenings: the queue, the cases, sellers' responses, and what follows for brands."""
