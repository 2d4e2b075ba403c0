"""Wire formats beside the subprotocols: tokens, CloudEvents. Pure."""
