"""How the pocket generator and its judge are trained: `python -m d3s_utils pocket-training`."""
