"""How people are asked: what is asked about and the gold among it, one file of votes per run, and three ways to answer:
a page that is served, a widget in notebook 02, and Mechanical Turk.
"""
