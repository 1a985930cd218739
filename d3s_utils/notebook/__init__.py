"""The machinery around the notebooks: they run by content and leave a page each; a report shows all, and a run is
compared with the committed reference."""
