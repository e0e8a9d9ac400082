"""Candidates for a release: judges fitted to appraisals, and whether a candidate may be proposed."""
