"""The pocket world: scenes of ten objects on ten backgrounds, rendered with their true factors and masks.

With it come a judge that never saw a generated image, and the training of the shipped generator.
"""
