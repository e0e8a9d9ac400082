"""The listing benchmark: a simulated market, screened by the code that serves, and what the verdicts are worth."""
