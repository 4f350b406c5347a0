"""Servers that the hub is measured beside, each as its documentation shows it."""
