"""What people who write clients and servers for hubbub import."""
