"""The machinery under the actors: mailboxes, turns, replies, places, ports."""
