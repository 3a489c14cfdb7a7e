"""The phone in the browser: the ways its sound takes, and its page."""
