"""A page on which the images of a run are looked through, html/explore.html: it opens from disk, without a server or
network, and reads one script of data and sheets of small images beside it."""
