"""The five conversations: one module each, ending in the union of its vocabulary.

Pure values. Import the module and write ``requests.JoinGroup``: the prefix says who is
speaking. The garbage collector does not track them (``gc=False``): values cannot form
cycles, and a gateway makes millions.
"""
