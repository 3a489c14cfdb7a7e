"""What carriers can do with a call beyond its audio: answer its webhook, hang up, transfer, press keys."""
