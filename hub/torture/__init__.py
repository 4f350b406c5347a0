"""Breaks things while booking: each promise is played under faults, and must hold although every fault has bitten."""
