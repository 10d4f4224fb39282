"""The published examples of each contract, one file for each, as its clients send them."""
