"""Random people: shape, skin, hair, and what their faces do."""
