"""Clients that generators make from the OpenAPI document, driven against the embedded stack."""
