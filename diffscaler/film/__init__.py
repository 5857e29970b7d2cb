"""Shots become a film: each as long and as large as the film has it, then one behind the other."""
