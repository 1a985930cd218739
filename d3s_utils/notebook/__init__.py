"""The machinery around the notebooks: they run by content, leave a page each and a report together, and a run is compared
with the committed reference."""
