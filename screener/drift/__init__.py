"""How far what is screened today has moved from what the judge was made for."""
