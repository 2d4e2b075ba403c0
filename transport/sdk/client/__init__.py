"""The client of groups and events: what ``WebPubSubClient`` is made of."""
