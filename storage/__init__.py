"""All SQL of the booking hub, and nothing else."""
