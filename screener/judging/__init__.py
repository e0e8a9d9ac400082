"""From evidence to a decision: features, the judge that weighs them, the policy that acts, the seller's history."""
