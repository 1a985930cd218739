"""What every room stands on: settings and profiles, a run's files, the memory of what was dear to compute, seeds,
statistics and claims. Nothing here knows of pictures or networks, and this file imports nothing.
"""
