"""The ledger of sellers: confirmed violations, complaints and appeals, the points they give, and what follows."""
