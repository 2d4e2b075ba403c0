"""Runnable stories, one topology each; ``hubbub scenarios`` lists and runs them."""
