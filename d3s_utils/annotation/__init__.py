"""Asking people: what is asked (`task`), about which images (`plan`), who answered what (`store`), and three faces.

The faces are a widget in notebook 02 (`widget`), a web page for many annotators (`server`) and Mechanical Turk
(`mturk`). All of them ask the questions of `task` about the items of one `store`, and every vote ends up in votes.csv.
"""
