"""All SQL of the hub, and nothing else: one statement a function, literal and typed."""
