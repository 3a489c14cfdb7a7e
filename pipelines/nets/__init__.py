"""The networks that training trains and the server runs: written once. Only the modules that need torch import it."""
