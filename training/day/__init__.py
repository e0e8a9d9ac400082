"""An ML engineer's day: a simulated marketplace, from screenings to a better model and back, as one command."""
