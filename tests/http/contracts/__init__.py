"""The published examples of each contract, as its clients send them. Each contract has a file."""
