"""The pages of brand managers, reviewers and admins."""
