"""Things to move in a notebook: each a thin skin over a plain function that draws one picture or keeps one answer."""
