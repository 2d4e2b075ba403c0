"""A benchmark that anyone can rerun: hubbub beside two peers, in the same run.

Figures of two machines, or of one machine at two times, do not compare; ratios of one
run do. The peers do nothing but fan out: one is bare uvloop, the other the asyncio
server of the ``websockets`` library with its ``broadcast``.
"""
