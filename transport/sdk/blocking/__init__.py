"""The blocking twin of the attached server, for scripts."""
