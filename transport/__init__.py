"""The rim: what touches sockets, files and clocks, and turns bytes into messages."""
