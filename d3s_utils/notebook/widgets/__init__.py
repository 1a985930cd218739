"""Things to move in a notebook: each a thin skin over a plain function that draws one picture or keeps one answer.

A module for each room; `viewer` has what all of them are made of."""
