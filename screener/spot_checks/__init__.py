"""Which items to buy and have examined next, and what the results say of all listings and of the screener.

A plan is a random sample with known chances (`design`) from the listings of a time (`population`), drawn so that it
finds counterfeits, teaches the judge and still speaks for everything (`scores`). `estimate` weights each result by one
over the chance of its item, so that rates, precision and recall are those of the market and not of the sample.
"""
