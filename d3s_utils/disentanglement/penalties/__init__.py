"""Penalties: measures of how much features know about a label, which an encoder lowers. A new one is a file here whose
`ROWS` name it, and its name under `disentanglement.penalties` of a profile."""
