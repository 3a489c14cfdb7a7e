"""How a caller sounds: angry, happy, sad, neutral, something else."""
