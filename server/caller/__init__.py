"""The other end of the line: carriers as they behave towards the server, and a caller with a script, a mouth, an ear.

Nothing here shares code with the server's wires or playout, so that a mistake made there is not repeated here. It is
what `allo call`, the end-to-end tests and the load generators place their calls with.
"""
