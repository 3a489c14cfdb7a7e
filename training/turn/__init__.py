"""End of turn: is the caller done, or only pausing?"""
