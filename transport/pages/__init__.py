"""Static pages, shipped as package data."""
