"""The five conversations: one module each, ending in the union of its vocabulary.

Pure values. Import the module and write ``requests.JoinGroup``: the prefix says who is
speaking.
"""
