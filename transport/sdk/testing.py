"""The pytest plugin of hubbub."""
