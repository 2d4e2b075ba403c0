"""The attached server: what ``WebPubSubServer`` is made of."""
