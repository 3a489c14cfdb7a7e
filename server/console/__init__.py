"""The operators' page: calls under way, calls that are over, and what may be done about them."""
