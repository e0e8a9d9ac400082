"""Candidates, the gates they passed, switching to one and back, and judging live listings with one in its shadow."""
