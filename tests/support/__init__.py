"""What tests share: virtual time, fake sockets, probes, real gateways and peers."""
